// Latency over time: the run in equal windows, a small histogram each, in memory of fixed size.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>

#include "labs/harness/measure/latency_histogram.hpp"

namespace plateau::harness {

// One writer; a reader in another process may see it a few samples old.
class LatencyWindows {
 public:
  static constexpr std::size_t count = 600;

  // Wall-clock length of a window of a run of this length; not shorter than what a few operations fill.
  static std::chrono::nanoseconds length_for(std::chrono::nanoseconds run) {
    return std::max<std::chrono::nanoseconds>(run / count, std::chrono::milliseconds(20));
  }

  // `at` and `length` in the same clock; what is past the last window is counted in it.
  void record(std::chrono::nanoseconds at, std::chrono::nanoseconds length, double us) {
    const auto index = static_cast<std::size_t>(std::max<std::chrono::nanoseconds>(at, {}) / length);
    windows_[std::min(index, count - 1)].record(us);
  }

  const LatencyWindow& operator[](std::size_t index) const { return windows_[index]; }

 private:
  std::array<LatencyWindow, count> windows_{};
};

}  // namespace plateau::harness
