// Options that are switched while lanes work with them.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>

namespace plateau::harness {

// Thread-safe; a lane is asked for by one thread at a time.
template <class Options, std::size_t lanes>
class SwitchedOptions {
 public:
  explicit SwitchedOptions(const Options& options) : wanted_(options) { of_lane_.fill(options); }

  void set(const Options& options) {
    const std::scoped_lock lock(mutex_);
    wanted_ = options;
    changes_.fetch_add(1, std::memory_order_release);
  }

  // What the lane is to work with from now on, if that was switched since it asked last; else costs an atomic load.
  std::optional<Options> take(std::size_t lane) {
    const std::uint64_t changes = changes_.load(std::memory_order_acquire);
    if (changes == taken_[lane].load(std::memory_order_relaxed)) return std::nullopt;
    taken_[lane].store(changes, std::memory_order_relaxed);
    const std::scoped_lock lock(mutex_);
    return of_lane_[lane] = wanted_;
  }

  // Whether the flag is set in what the lanes work with; empty while some work with it and some without.
  std::optional<bool> in_lanes(bool Options::*flag) const {
    const std::scoped_lock lock(mutex_);
    const auto with = std::count_if(of_lane_.begin(), of_lane_.end(), [flag](const Options& one) { return one.*flag; });
    if (with != 0 && with != static_cast<std::ptrdiff_t>(lanes)) return std::nullopt;
    return with != 0;
  }

 private:
  mutable std::mutex mutex_;
  Options wanted_;
  std::array<Options, lanes> of_lane_;
  std::atomic<std::uint64_t> changes_{0};
  std::array<std::atomic<std::uint64_t>, lanes> taken_{};
};

}  // namespace plateau::harness
