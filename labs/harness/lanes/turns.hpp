// The order in which several workers serve a lane, one after the other.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace plateau::harness {

// Turn n of a lane belongs to worker n % workers of the lane. Thread-safe; what a worker did before pass_on() is seen
// by the one that waited for the next turn. Allocates when it is made, and then never.
class Turns {
 public:
  explicit Turns(std::size_t lanes) : now_(lanes) {}

  // Blocks until it is the lane's turn `wanted`; returns at once when it is.
  void wait(std::size_t lane, std::uint64_t wanted) const {
    const std::atomic<std::uint64_t>& turn = now_[lane].number;
    for (std::uint64_t now = turn.load(); now != wanted; now = turn.load()) turn.wait(now);
  }

  // Ends the lane's turn. Called by the worker whose turn it is.
  void pass_on(std::size_t lane) {
    now_[lane].number.fetch_add(1);
    now_[lane].number.notify_all();
  }

 private:
  struct alignas(64) Turn {
    std::atomic<std::uint64_t> number{0};
  };
  std::vector<Turn> now_;
};

}  // namespace plateau::harness
