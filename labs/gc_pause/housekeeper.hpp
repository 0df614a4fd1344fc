// A thread beside the requests, which tells what purges cost them.
#pragma once

#include <atomic>
#include <thread>

#include "labs/harness/arm/arm_child.hpp"

namespace plateau::gc_pause {

// Counts purges from when it is made, into the arm's gauges, until it is destroyed.
class Housekeeper {
 public:
  // `trims`: the wrong fix `trim-often`, the whole heap is purged ten times a second. `context` must outlive it.
  Housekeeper(harness::ArmContext& context, bool trims);
  ~Housekeeper();
  Housekeeper(const Housekeeper&) = delete;
  Housekeeper& operator=(const Housekeeper&) = delete;

 private:
  void run(harness::ArmContext& context, bool trims);

  std::atomic<bool> ended_{false};
  std::thread thread_;
};

}  // namespace plateau::gc_pause
