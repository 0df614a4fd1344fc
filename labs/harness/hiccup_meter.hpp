// What the machine adds under this load: a thread outside the arm that asks to be woken every millisecond and records
// how late it is. A stall seen here at the same time as one in the measured process has a cause outside the process's
// own code.
#pragma once

#include <atomic>
#include <thread>

#include "labs/harness/latency_histogram.hpp"

namespace plateau::harness {

class HiccupMeter {
 public:
  HiccupMeter();
  ~HiccupMeter() { stop(); }
  HiccupMeter(const HiccupMeter&) = delete;
  HiccupMeter& operator=(const HiccupMeter&) = delete;

  // Ends the thread and gives what it saw, in microseconds of lateness. Further calls give the same.
  const LatencyHistogram& stop();

 private:
  void run();

  LatencyHistogram histogram_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace plateau::harness
