// Compressed time. One simulated second holds a fixed number of operations, so simulated time is a count of operations;
// the speed-up says how much faster than real time they are due. Wall-clock knobs (decay) are divided by the same
// factor.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>

namespace plateau::harness {

struct TimeScale {
  double operations_per_second = 1;  // of simulated time
  double speedup = 1;                // simulated seconds per wall-clock second

  double seconds_of(std::uint64_t operations) const { return static_cast<double>(operations) / operations_per_second; }

  std::uint64_t operations_in(double simulated_seconds) const {
    return static_cast<std::uint64_t>(simulated_seconds * operations_per_second);
  }

  // Wall-clock time after the start at which operation `index` is due (open loop: whether or not the last one is done).
  std::chrono::nanoseconds due(std::uint64_t index) const {
    return std::chrono::nanoseconds(
        static_cast<std::int64_t>(static_cast<double>(index) * 1e9 / (operations_per_second * speedup)));
  }

  // A wall-clock knob of the simulated service, as it must be set here. Never rounded down to 0, which means something
  // else.
  std::chrono::milliseconds compressed(std::chrono::milliseconds knob) const {
    if (knob.count() <= 0) return knob;
    const double scaled = static_cast<double>(knob.count()) / speedup;
    return std::chrono::milliseconds(std::max<std::int64_t>(1, static_cast<std::int64_t>(scaled + 0.5)));
  }
};

// What fits in a glance counts in seconds.
inline bool counts_in_seconds(double simulated_seconds) {
  return simulated_seconds < 900;
}
// "60 s", "6.20 simulated h".
std::string format_span(double simulated_seconds);

}  // namespace plateau::harness
