// Why an operation kept its thread: wall clock against CPU time, page faults, purges, teardown, joined for each
// operation that took too long.
#pragma once

#include <chrono>
#include <cstdint>

#include "allocators/purge_trace.hpp"
#include "labs/harness/measure/stall.hpp"
#include "profiling/timeline.hpp"

namespace plateau::harness {

// Cost of a minor fault of one page, in nanoseconds: the median over a few mappings that are touched now. About a
// millisecond. Throws std::bad_alloc when nothing can be mapped.
double measure_minor_fault_ns();

// One a thread, made by it. `begin` before an operation and `end` after it; allocates nothing, and costs about 0.7 us
// an operation (two clocks, one getrusage).
//
// CPU time in purges (timed by jemalloc's extent hooks, where PurgeTrace runs) and in teardown is measured, and so is
// the time off the CPU, which is the machine's unless the thread gave the CPU up while others purged or a collector had
// stopped the world. Page faults are estimated, as their number at `fault_ns` each. The rest is unexplained: a
// hypervisor that took the CPU away looks like work, and the parent takes that out (give_to_the_machine in pauses.hpp).
class StallMeter {
 public:
  // What an operation may wait for: locks of the allocator alone, or others and a peer as well, and then nobody can say
  // what a wait was for: it is unexplained.
  enum class Waits { for_the_allocator, for_others_too };

  // Stalls are put on `timeline`, if there is one.
  StallMeter(StallSeries& series, std::chrono::steady_clock::time_point ready, double fault_ns, Timeline* timeline,
             Waits waits = Waits::for_the_allocator);

  void begin();
  void end();

  using Clock = std::chrono::steady_clock;

 private:
  struct Reading {
    std::int64_t cpu_ns = 0;
    std::int64_t faults = 0;
    std::int64_t waits = 0;         // times that the thread gave up the CPU
    std::int64_t purge_ns = 0;      // CPU time
    std::int64_t all_purge_ns = 0;  // of all threads
    std::int64_t teardown_ns = 0;
    std::int64_t collector_ns = 0;
  };
  static Reading read();

  StallSeries& series_;
  const Clock::time_point ready_;
  const double fault_ns_;
  Timeline* const timeline_;
  const Waits waits_;
  Clock::time_point begin_;
  Reading before_;
};

// Its lifetime is the teardown of a large object graph in this thread: counted by the thread's StallMeter, a pause of
// cause "teardown" in the pause profile, and an event on `timeline`, if there is one. Purges within are not in the
// first two, which have them under their own name.
class TeardownTimer {
 public:
  explicit TeardownTimer(Timeline* timeline);
  ~TeardownTimer();
  TeardownTimer(const TeardownTimer&) = delete;
  TeardownTimer& operator=(const TeardownTimer&) = delete;

 private:
  Timeline* const timeline_;
  StallMeter::Clock::time_point begin_;
  std::int64_t cpu_ns_;
  PurgeTotals purges_;
};

// Its lifetime is a garbage collector's stop of the world, on the thread that collects: what that thread computes and
// what others wait is the collector's in the stalls of all threads, a pause of cause "collector" in the pause profile,
// and an event on `timeline`, if there is one.
class CollectorTimer {
 public:
  explicit CollectorTimer(Timeline* timeline);
  ~CollectorTimer();
  CollectorTimer(const CollectorTimer&) = delete;
  CollectorTimer& operator=(const CollectorTimer&) = delete;

  StallMeter::Clock::time_point begin() const { return begin_; }

 private:
  Timeline* const timeline_;
  StallMeter::Clock::time_point begin_;
  std::int64_t cpu_ns_;
};

}  // namespace plateau::harness
