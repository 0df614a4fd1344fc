// How long recorded blocks lived, told apart by powers of ten.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "profiling/sampler/weight_sum.hpp"

namespace plateau::sampler {

// From 10 us to 100 s.
inline constexpr std::array<std::uint64_t, 8> lifetime_limits_ns{
    10'000, 100'000, 1'000'000, 10'000'000, 100'000'000, 1'000'000'000, 10'000'000'000, 100'000'000'000};
inline constexpr std::size_t lifetime_classes = lifetime_limits_ns.size() + 1;

// Index of the first limit that the lifetime is under, or their number.
inline std::size_t lifetime_class(std::uint64_t ns) {
  const auto above = std::upper_bound(lifetime_limits_ns.begin(), lifetime_limits_ns.end(), ns);
  return static_cast<std::size_t>(above - lifetime_limits_ns.begin());
}

// Blocks of one class that were freed. Thread-safe.
struct LifeTotals {
  WeightSum freed;
  std::atomic<std::uint64_t> object_us{0};  // sum of lifetimes, each as often as its block counts

  void add(const Weight& weight, std::uint64_t lived_ns) {
    const double objects = static_cast<double>(weight.objects) / Weight::object_scale;
    freed.add(weight);
    object_us.fetch_add(static_cast<std::uint64_t>(objects * static_cast<double>(lived_ns) / 1000),
                        std::memory_order_relaxed);
  }
};

}  // namespace plateau::sampler
