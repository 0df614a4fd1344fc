// When operations are due: at a steady rate that can be changed while they run. Open loop: whether or not the one
// before is done.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace plateau::harness {

// due() is thread-safe and lock-free; the others are called by one thread at a time. Allocates nothing.
class LoadSchedule {
 public:
  using Clock = std::chrono::steady_clock;

  void start(double operations_per_second, Clock::time_point now) {
    count_.store(0, std::memory_order_relaxed);
    append({0, now, operations_per_second});
  }

  // From `now` on; what is due already stays due when it was. False when there were too many changes.
  bool change(double operations_per_second, Clock::time_point now) {
    const Segment& last = segments_[count_.load(std::memory_order_relaxed) - 1];
    const double passed = std::chrono::duration<double>(now - last.begin).count();
    const auto due_already = passed > 0 ? static_cast<std::uint64_t>(passed * last.operations_per_second) + 1 : 0;
    return append({last.first + due_already, now, operations_per_second});
  }

  Clock::time_point due(std::uint64_t index) const {
    std::size_t i = count_.load(std::memory_order_acquire) - 1;
    while (i > 0 && segments_[i].first > index) --i;
    const Segment& segment = segments_[i];
    const double seconds = static_cast<double>(index - segment.first) / segment.operations_per_second;
    return segment.begin + std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
  }

 private:
  struct Segment {
    std::uint64_t first = 0;  // operation, due at `begin`
    Clock::time_point begin;
    double operations_per_second = 1;
  };

  bool append(const Segment& segment) {
    const std::size_t at = count_.load(std::memory_order_relaxed);
    if (at == segments_.size()) return false;
    segments_[at] = segment;
    count_.store(at + 1, std::memory_order_release);
    return true;
  }

  std::array<Segment, 1000> segments_{};
  std::atomic<std::size_t> count_{0};
};

}  // namespace plateau::harness
