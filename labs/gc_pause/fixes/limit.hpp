// The fix `limit`: the soft limit of a heap of so many live bytes (the stand-in for GOMEMLIMIT).
#pragma once

#include <cstdint>

#include "allocators/retention.hpp"
#include "labs/gc_pause/calibration.hpp"

namespace plateau::gc_pause {

// Pages that are kept add up until the kernel's limit is met.
constexpr std::uint64_t soft_limit_before(double /*heap_bytes*/) {
  return no_soft_limit;
}

// Below the kernel's limit: near it, caches and unused pages are given up.
constexpr std::uint64_t soft_limit_after(double heap_bytes) {
  return static_cast<std::uint64_t>(soft_limit_over_heap * heap_bytes);
}

}  // namespace plateau::gc_pause
