// The arm's own side of this lab: the service with what the arm's spec asks for, its clients and its new orders.
#pragma once

#include "labs/harness/arm/arm_child.hpp"
#include "labs/order_statistics/fixes.hpp"

namespace plateau::order_statistics {

// How old an answer may be when it is asked for: nothing, where there is no cache.
double allowed_age_s(const harness::ArmSpec& spec, const Fixes& fixes);

// Runs both phases and ends the process.
[[noreturn]] void run_statistics_arm(harness::ArmContext& context);

}  // namespace plateau::order_statistics
