// What this lab is held to, and what its wrong fixes are seen to do.
#pragma once

#include <string>

#include "labs/harness/arm/arm.hpp"
#include "labs/harness/judge/verdict.hpp"

namespace plateau::order_batch {

harness::Verdict judge_order_batch(const harness::ArmResult& before, const harness::ArmResult& after);

// The figures by which a wrong fix of an ablation fails, beside all the right ones.
std::string figures_of_wrong_fix(const harness::ArmResult& wrong, const harness::ArmResult& all);

}  // namespace plateau::order_batch
