// What the machine adds under this load: on each CPU a thread outside the arm that asks to be woken 2000 times a second
// and records how late it is. Where the process may have real-time threads (root, mostly) these have the lowest
// real-time priority, so that what makes them late is not the arm but the hypervisor, interrupts, or the kernel. A
// stall of the arm on the same CPU at the same time has its cause outside the arm's own code.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "labs/harness/measure/latency_histogram.hpp"

namespace plateau::harness {

// CLOCK_MONOTONIC: when the thread had run for the last time, and when it ran again, too late. Some time in between it
// could not, or did not need to: at most HiccupMeter::period of it.
struct Hiccup {
  int cpu = 0;
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
};

class HiccupMeter {
 public:
  HiccupMeter();
  ~HiccupMeter() { stop(); }
  HiccupMeter(const HiccupMeter&) = delete;
  HiccupMeter& operator=(const HiccupMeter&) = delete;

  // Ends the threads. Further calls do nothing.
  void stop();
  // After stop(): lateness in microseconds on all CPUs, and the hiccups of at least kept_us, by CPU and time.
  LatencyHistogram lateness() const;
  std::vector<Hiccup> hiccups() const;
  static constexpr double kept_us = 100;
  static constexpr std::chrono::microseconds period{500};

 private:
  struct Cpu {
    int number = 0;
    LatencyHistogram lateness;
    std::vector<Hiccup> hiccups;
    std::thread thread;
  };
  void run(Cpu& cpu);

  std::atomic<bool> stopping_{false};
  std::vector<std::unique_ptr<Cpu>> cpus_;
};

}  // namespace plateau::harness
