// What this lab is held to.
#pragma once

#include "labs/harness/arm/arm.hpp"
#include "labs/harness/judge/verdict.hpp"

namespace plateau::order_batch {

harness::Verdict judge_order_batch(const harness::ArmResult& before, const harness::ArmResult& after);

}  // namespace plateau::order_batch
