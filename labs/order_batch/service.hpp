// The arm's own side of this lab: a batch with what the arm's spec asks for, measured.
#pragma once

#include "labs/harness/arm/arm_child.hpp"
#include "labs/order_batch/partner.hpp"

namespace plateau::order_batch {

// The partner of the arm.
PartnerOptions partner_of(const harness::ArmSpec& spec);

// Does the whole batch and ends the process. The first socket tells the port of the partner.
[[noreturn]] void run_batch_arm(harness::ArmContext& context);

}  // namespace plateau::order_batch
