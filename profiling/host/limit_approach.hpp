// When a profile is due on the way to a memory limit, and beyond one that can be passed: memory.high of a cgroup only
// slows down, and one that was given holds nobody.
#pragma once

#include <algorithm>
#include <cstdint>

namespace plateau {

// A pure state machine: what is in use is passed in, and no clock is read. Not thread-safe.
class LimitApproach {
 public:
  // The first profile is due at `begin` of the limit; the next ones each time the room left has shrunk to `shrink` of
  // what it was, and beyond the limit each time the use has grown by a quarter. Both are shares between 0 and 1.
  LimitApproach(std::uint64_t limit_bytes, double begin, double shrink)
      : limit_(limit_bytes), shrink_(shrink), next_(limit_bytes - share(1 - begin, limit_bytes)) {}

  // Whether one is due now; if so, the next use at which one is due lies above this one.
  bool due(std::uint64_t used_bytes) noexcept {
    if (used_bytes < next_) return false;
    next_ = used_bytes < limit_ ? limit_ - share(shrink_, limit_ - used_bytes) : used_bytes + used_bytes / 4;
    next_ = std::max(next_, used_bytes + 1);
    return true;
  }
  // In use when the next one is due.
  std::uint64_t next_bytes() const noexcept { return next_; }

 private:
  static std::uint64_t share(double of_all, std::uint64_t bytes) noexcept {
    return static_cast<std::uint64_t>(of_all * static_cast<double>(bytes));
  }

  std::uint64_t limit_;
  double shrink_;
  std::uint64_t next_;
};

}  // namespace plateau
