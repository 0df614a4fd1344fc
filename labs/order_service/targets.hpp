// What the case promises, and how far beyond it the fixes must go.
#pragma once

#include <cstdint>

#include "labs/harness/judge/verdict.hpp"

namespace plateau::order_service {

inline constexpr std::uint64_t limit_bytes = 2ULL << 30;

// Every target as a row. A row that this run cannot judge (too short, another limit, an allocator that does not tell)
// says so.
harness::Verdict judge_order_service(const harness::ArmResult& before, const harness::ArmResult& after);

}  // namespace plateau::order_service
