// Why an operation kept its thread: wall clock against CPU time, page faults, purges, teardown, joined for each
// operation that took too long.
#pragma once

#include <chrono>
#include <cstdint>

#include "labs/harness/stall.hpp"
#include "profiling/pause_profile.hpp"

namespace plateau::harness {

// Cost of a minor fault of one page, in nanoseconds: the median over a few mappings that are touched now. About a
// millisecond. Throws std::bad_alloc when nothing can be mapped.
double measure_minor_fault_ns();

// One a thread, made by it. `begin` before an operation and `end` after it; allocates nothing, and costs about 0.7 us
// an operation (two clocks, one getrusage).
//
// What is exact: wall clock and CPU time, purges (timed by jemalloc's extent hooks, where PurgeTrace runs), teardown,
// number of faults. What is estimated: the time of faults, as their number at `fault_ns` each; and waiting for a purge,
// as the time that the thread gave up the CPU while others purged. Where the parts together exceed the whole (a thread
// that was preempted while it purged) the time off the CPU goes to the machine first.
class StallMeter {
 public:
  StallMeter(StallSeries& series, std::chrono::steady_clock::time_point ready, double fault_ns);

  void begin();
  void end();

  using Clock = std::chrono::steady_clock;
  // Another thread stopped the world from `begin` to `end`: a garbage collector's events. Thread-safe.
  static void record_collector(Clock::time_point begin, Clock::time_point end);

 private:
  struct Reading {
    std::int64_t cpu_ns = 0;
    std::int64_t faults = 0;
    std::int64_t waits = 0;  // times that the thread gave up the CPU
    std::int64_t purge_ns = 0;
    std::int64_t all_purge_ns = 0;  // of all threads
    std::int64_t teardown_ns = 0;
  };
  static Reading read();

  StallSeries& series_;
  const Clock::time_point ready_;
  const double fault_ns_;
  Clock::time_point begin_;
  Reading before_;
};

// Its lifetime is the teardown of a large object graph in this thread: counted by the thread's StallMeter, and a pause
// of cause "destructor" in the pause profile.
class TeardownTimer {
 public:
  TeardownTimer();
  ~TeardownTimer();
  TeardownTimer(const TeardownTimer&) = delete;
  TeardownTimer& operator=(const TeardownTimer&) = delete;
  void add_freed(std::uint64_t bytes) { profiled_.add_freed(bytes); }

 private:
  PauseTimer profiled_{PauseCause::destructor};
  StallMeter::Clock::time_point begin_;
  std::int64_t purge_ns_;
};

}  // namespace plateau::harness
