// The fix `decay`: how much of unused pages is kept, as a percentage of live bytes (the stand-in for GOGC).
#pragma once

#include <cstdint>
#include <optional>

#include "labs/gc_pause/calibration.hpp"

namespace plateau::gc_pause {

// Nothing is kept: decay 0 is the allocator's, and every slab that becomes empty is a madvise in the thread that frees.
constexpr std::optional<std::uint32_t> retained_percent_before() {
  return std::nullopt;
}

// A retention policy keeps them, and purges what is more on a thread of its own.
constexpr std::optional<std::uint32_t> retained_percent_after() {
  return retain_percent;
}

}  // namespace plateau::gc_pause
