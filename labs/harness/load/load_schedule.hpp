// When operations are due: at a steady rate that can be changed while they run. Open loop: whether or not the one
// before is done.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "labs/harness/load/random.hpp"

namespace plateau::harness {

// Where in its slot of 1 / rate an operation is due. Spread out, at a place that its index gives, load does not march
// in step with the kernel's ticks, at which CPU timers are looked at: a CPU profile would see all of it, or nothing.
enum class LoadSpread { even, random };

// due() is thread-safe and lock-free; the others are called by one thread at a time. Allocates nothing.
class LoadSchedule {
 public:
  using Clock = std::chrono::steady_clock;

  void start(double operations_per_second, Clock::time_point now, LoadSpread spread = LoadSpread::even) {
    spread_ = spread;
    segments_[0] = {0, now, operations_per_second};
    count_.store(1, std::memory_order_release);
  }

  // From `now` on; what is due already stays due when it was. A rate of 0 is no load at all.
  void change(double operations_per_second, Clock::time_point now) {
    const std::size_t count = count_.load(std::memory_order_relaxed);
    const Segment& last = segments_[(count - 1) % segments_.size()];
    const double passed = std::chrono::duration<double>(now - last.begin).count();
    std::uint64_t first = last.first;
    if (passed >= 0 && last.operations_per_second > 0) {
      first += static_cast<std::uint64_t>(passed * last.operations_per_second);
      if (due(first) <= now) ++first;
    }
    segments_[count % segments_.size()] = {first, now, operations_per_second};
    count_.store(count + 1, std::memory_order_release);
  }

  double operations_per_second() const {
    return segments_[(count_.load(std::memory_order_acquire) - 1) % segments_.size()].operations_per_second;
  }

  // Clock::time_point::max() for one that has no time yet. Changes of the rate may move what is not due yet.
  Clock::time_point due(std::uint64_t index) const {
    const std::size_t count = count_.load(std::memory_order_acquire);
    // The oldest place is the one that the next change is written to.
    const std::size_t oldest = count < segments_.size() ? 0 : count - segments_.size() + 1;
    std::size_t i = count - 1;
    while (i > oldest && segments_[i % segments_.size()].first > index) --i;
    const Segment& segment = segments_[i % segments_.size()];
    if (segment.operations_per_second <= 0) return index < segment.first ? segment.begin : Clock::time_point::max();
    const double place = static_cast<double>(static_cast<std::int64_t>(index - segment.first)) + offset(index);
    const double seconds = place / segment.operations_per_second;
    constexpr double longest_s = 1e9;  // of what can be told in nanoseconds
    if (seconds > longest_s) return Clock::time_point::max();
    return segment.begin + std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
  }

 private:
  struct Segment {
    std::uint64_t first = 0;  // operation, whose slot begins at `begin`
    Clock::time_point begin;
    double operations_per_second = 1;
  };

  // In [0, 1).
  double offset(std::uint64_t index) const { return spread_ == LoadSpread::random ? SplitMix64(index).uniform() : 0; }

  LoadSpread spread_ = LoadSpread::even;
  // Of a service that is further behind than so many changes, the oldest operations are taken for later ones.
  std::array<Segment, 256> segments_{};
  std::atomic<std::size_t> count_{0};
};

}  // namespace plateau::harness
