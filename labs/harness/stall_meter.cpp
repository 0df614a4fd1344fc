#include "labs/harness/stall_meter.hpp"

#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <new>

#include "allocators/purge_trace.hpp"

namespace plateau::harness {
namespace {

using Clock = StallMeter::Clock;

thread_local std::int64_t teardown_ns_of_thread = 0;

std::int64_t own_purge_ns() {
  return static_cast<std::int64_t>(PurgeTrace::totals_of_this_thread().wall_ns);
}

std::int64_t all_purge_ns() {
  const PurgeTraceTotals totals = PurgeTrace::totals();
  return static_cast<std::int64_t>(totals.request_threads.wall_ns + totals.background.wall_ns);
}

std::int64_t ns_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(to - from).count();
}

std::int64_t ns_since_epoch(Clock::time_point t) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(t.time_since_epoch()).count();
}

// The last times when the world stood still.
class CollectorPauses {
 public:
  void add(std::int64_t begin, std::int64_t end) {
    const auto at = next_.fetch_add(1, std::memory_order_relaxed) % capacity;
    begins_[at].store(begin, std::memory_order_relaxed);
    ends_[at].store(end, std::memory_order_release);
  }
  std::int64_t overlap(std::int64_t begin, std::int64_t end) const {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < capacity; ++i) {
      const auto until = ends_[i].load(std::memory_order_acquire);
      const auto from = begins_[i].load(std::memory_order_relaxed);
      sum += std::max<std::int64_t>(0, std::min(end, until) - std::max(begin, from));
    }
    return sum;
  }

 private:
  static constexpr std::size_t capacity = 64;
  std::atomic<std::size_t> next_{0};
  std::array<std::atomic<std::int64_t>, capacity> begins_{};
  std::array<std::atomic<std::int64_t>, capacity> ends_{};
};

CollectorPauses collector_pauses;

}  // namespace

double measure_minor_fault_ns() {
  constexpr std::size_t page = 4096;
  constexpr std::size_t pages = 512;
  std::array<double, 5> costs{};
  for (double& cost : costs) {
    void* const memory = ::mmap(nullptr, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    ::madvise(memory, pages * page, MADV_NOHUGEPAGE);
    const auto begin = Clock::now();
    for (std::size_t i = 0; i < pages; ++i) static_cast<volatile char*>(memory)[i * page] = 1;
    cost = static_cast<double>(ns_between(begin, Clock::now())) / pages;
    ::munmap(memory, pages * page);
  }
  std::sort(costs.begin(), costs.end());
  return costs[costs.size() / 2];
}

StallMeter::StallMeter(StallSeries& series, Clock::time_point ready, double fault_ns)
    : series_(series), ready_(ready), fault_ns_(fault_ns), begin_(Clock::now()), before_(read()) {}

StallMeter::Reading StallMeter::read() {
  timespec cpu{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return {.cpu_ns = cpu.tv_sec * 1'000'000'000 + cpu.tv_nsec,
          .faults = usage.ru_minflt,
          .waits = usage.ru_nvcsw,
          .purge_ns = own_purge_ns(),
          .all_purge_ns = all_purge_ns(),
          .teardown_ns = teardown_ns_of_thread};
}

void StallMeter::begin() {
  begin_ = Clock::now();
  before_ = read();
}

void StallMeter::end() {
  const auto end = Clock::now();
  const double total = static_cast<double>(ns_between(begin_, end)) / 1e3;
  const bool longest = total > series_.longest_of_the_program_us.load(std::memory_order_relaxed);
  if (total < stall_threshold_us && !longest) return;

  const Reading now = read();
  double left = total;
  const auto take = [&left](double ns) {
    const double us = std::clamp(ns / 1e3, 0.0, left);
    left -= us;
    return us;
  };
  Stall stall{.t_s = static_cast<double>(ns_between(ready_, begin_)) / 1e9, .total_us = total};
  const auto from = ns_since_epoch(begin_);
  const auto until = ns_since_epoch(end);
  double off_cpu_ns = std::max(0.0, total * 1e3 - static_cast<double>(now.cpu_ns - before_.cpu_ns));
  const auto waited_for = [&](std::int64_t overlap_ns) {
    const double ns = std::min(off_cpu_ns, static_cast<double>(overlap_ns));
    off_cpu_ns -= ns;
    return take(ns);
  };
  stall[StallCause::collector] = waited_for(collector_pauses.overlap(from, until));
  if (now.waits > before_.waits) {  // it gave up the CPU: the only locks here are the allocator's
    const auto own = now.purge_ns - before_.purge_ns;
    stall[StallCause::purge_wait] = waited_for(now.all_purge_ns - before_.all_purge_ns - own);
  }
  stall[StallCause::machine] = take(off_cpu_ns);
  stall[StallCause::purge] = take(static_cast<double>(now.purge_ns - before_.purge_ns));
  stall[StallCause::teardown] = take(static_cast<double>(now.teardown_ns - before_.teardown_ns));
  stall[StallCause::fault] = take(static_cast<double>(now.faults - before_.faults) * fault_ns_);
  stall[StallCause::unexplained] = left;

  const double own = stall.of_the_program_us();
  if (own > series_.longest_of_the_program_us.load(std::memory_order_relaxed)) {
    series_.longest_of_the_program_us.store(own, std::memory_order_relaxed);
  }
  if (total >= stall_threshold_us) series_.append(stall);
}

void StallMeter::record_collector(Clock::time_point begin, Clock::time_point end) {
  collector_pauses.add(ns_since_epoch(begin), ns_since_epoch(end));
}

TeardownTimer::TeardownTimer() : begin_(Clock::now()), purge_ns_(own_purge_ns()) {}

TeardownTimer::~TeardownTimer() {
  teardown_ns_of_thread += ns_between(begin_, Clock::now()) - (own_purge_ns() - purge_ns_);
}

}  // namespace plateau::harness
