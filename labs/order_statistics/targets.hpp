// What this lab is held to.
#pragma once

#include "labs/harness/arm/arm.hpp"
#include "labs/harness/judge/verdict.hpp"

namespace plateau::order_statistics {

harness::Verdict judge_order_statistics(const harness::ArmResult& before, const harness::ArmResult& after);

}  // namespace plateau::order_statistics
