// Which recorded blocks were temporaries: freed by the thread that allocated them, soon after.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace plateau::sampler {

// A temporary is freed before its thread has made so many further allocations as the last of these; they are told apart
// by the others.
inline constexpr std::array<std::uint32_t, 4> temporary_limits{1, 10, 100, 1000};
inline constexpr std::size_t temporary_classes = temporary_limits.size();

// Index of the first limit that the number of allocations between birth and end is under, or their number: no
// temporary.
inline std::size_t temporary_class(std::uint32_t further_allocations) {
  const auto above = std::upper_bound(temporary_limits.begin(), temporary_limits.end(), further_allocations);
  return static_cast<std::size_t>(above - temporary_limits.begin());
}

}  // namespace plateau::sampler
