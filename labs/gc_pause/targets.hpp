// The verdict on the GC-pause case.
#pragma once

#include "labs/harness/arm/arm.hpp"
#include "labs/harness/judge/verdict.hpp"

namespace plateau::gc_pause {

harness::Verdict judge_gc_pause(const harness::ArmResult& before, const harness::ArmResult& after);

}  // namespace plateau::gc_pause
