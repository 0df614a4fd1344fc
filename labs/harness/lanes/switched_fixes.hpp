// Fixes that are switched while lanes work with them.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

namespace plateau::harness {

// Thread-safe; a lane is asked for by one thread at a time.
template <class Fixes>
class SwitchedFixes {
 public:
  SwitchedFixes(const Fixes& fixes, std::size_t lanes) : wanted_(fixes), of_lane_(lanes, fixes), taken_(lanes) {}

  void set(const Fixes& fixes) {
    const std::scoped_lock lock(mutex_);
    wanted_ = fixes;
    changes_.fetch_add(1, std::memory_order_release);
  }

  // Returns the last fixes that were set, whichever lanes have taken them.
  Fixes wanted() const {
    const std::scoped_lock lock(mutex_);
    return wanted_;
  }

  // Returns what the lane is to work with from now on, if that was switched since it asked last; else costs an atomic
  // load.
  std::optional<Fixes> take(std::size_t lane) {
    const std::uint64_t changes = changes_.load(std::memory_order_acquire);
    if (changes == taken_[lane].load(std::memory_order_relaxed)) return std::nullopt;
    taken_[lane].store(changes, std::memory_order_relaxed);
    const std::scoped_lock lock(mutex_);
    return of_lane_[lane] = wanted_;
  }

  // Returns whether the flag is set in what the lanes work with; empty while some work with it and some without.
  std::optional<bool> in_lanes(bool Fixes::*flag) const {
    const std::scoped_lock lock(mutex_);
    const auto with = std::count_if(of_lane_.begin(), of_lane_.end(), [flag](const Fixes& one) { return one.*flag; });
    if (with != 0 && with != static_cast<std::ptrdiff_t>(of_lane_.size())) return std::nullopt;
    return with != 0;
  }

 private:
  mutable std::mutex mutex_;
  Fixes wanted_;
  std::vector<Fixes> of_lane_;
  std::atomic<std::uint64_t> changes_{0};
  std::vector<std::atomic<std::uint64_t>> taken_;
};

}  // namespace plateau::harness
