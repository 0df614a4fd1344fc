#include "labs/harness/measure/stall_meter.hpp"

#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <new>

#include "allocators/system/cpu_clock.hpp"
#include "profiling/pause_profile.hpp"

namespace plateau::harness {
namespace {

using Clock = StallMeter::Clock;

constexpr std::chrono::microseconds shortest_recorded{100};  // in the pause profile

thread_local std::int64_t teardown_ns_of_thread = 0;
thread_local std::int64_t collector_ns_of_thread = 0;

std::int64_t cpu_ns() {
  return thread_cpu_time().count();
}

std::int64_t own_purge_cpu_ns() {
  return static_cast<std::int64_t>(PurgeTrace::totals_of_this_thread().cpu_ns);
}

std::int64_t all_purge_cpu_ns() {
  const PurgeTraceTotals totals = PurgeTrace::totals();
  return static_cast<std::int64_t>(totals.request_threads.cpu_ns + totals.background.cpu_ns);
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

StallMeter::StallMeter(StallSeries& series, Clock::time_point ready, double fault_ns, Timeline* timeline, Waits waits)
    : series_(series),
      ready_(ready),
      fault_ns_(fault_ns),
      timeline_(timeline),
      waits_(waits),
      begin_(Clock::now()),
      before_(read()) {}

StallMeter::Reading StallMeter::read() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return {.cpu_ns = harness::cpu_ns(),
          .faults = usage.ru_minflt,
          .waits = usage.ru_nvcsw,
          .purge_ns = own_purge_cpu_ns(),
          .all_purge_ns = all_purge_cpu_ns(),
          .teardown_ns = teardown_ns_of_thread,
          .collector_ns = collector_ns_of_thread};
}

void StallMeter::begin() {
  begin_ = Clock::now();
  before_ = read();
}

void StallMeter::end() {
  const auto end = Clock::now();
  const double total = static_cast<double>(ns_between(begin_, end)) / 1e3;
  if (total < stall_threshold_us) {
    auto& longest = series_.longest_short_us;
    if (total > longest.load(std::memory_order_relaxed)) longest.store(total, std::memory_order_relaxed);
    return;
  }

  const Reading now = read();
  double left = total;
  const auto take = [&left](double ns) {
    const double us = std::clamp(ns / 1e3, 0.0, left);
    left -= us;
    return us;
  };
  Stall stall{.t_s = static_cast<double>(ns_between(ready_, begin_)) / 1e9, .total_us = total, .cpu = 0};
  const auto from = ns_since_epoch(begin_);
  const auto until = ns_since_epoch(end);
  double off_cpu_ns = std::max(0.0, total * 1e3 - static_cast<double>(now.cpu_ns - before_.cpu_ns));
  const auto waited_for = [&](std::int64_t overlap_ns) {
    const double ns = std::min(off_cpu_ns, static_cast<double>(overlap_ns));
    off_cpu_ns -= ns;
    return take(ns);
  };
  stall[StallCause::collector] = waited_for(collector_pauses.overlap(from, until));
  const bool waited = now.waits > before_.waits;  // it gave up the CPU by itself
  if (waited && waits_ == Waits::for_the_allocator) {
    const auto own = now.purge_ns - before_.purge_ns;
    stall[StallCause::purge_wait] = waited_for(now.all_purge_ns - before_.all_purge_ns - own);
  }
  if (!waited || waits_ == Waits::for_the_allocator) stall[StallCause::machine] = take(off_cpu_ns);
  stall[StallCause::collector] += take(static_cast<double>(now.collector_ns - before_.collector_ns));
  stall[StallCause::purge] = take(static_cast<double>(now.purge_ns - before_.purge_ns));
  stall[StallCause::teardown] = take(static_cast<double>(now.teardown_ns - before_.teardown_ns));
  stall[StallCause::fault] = take(static_cast<double>(now.faults - before_.faults) * fault_ns_);
  stall[StallCause::unexplained] = left;

  stall.cpu = ::sched_getcpu();
  series_.append(stall);
  if (timeline_ != nullptr) {
    timeline_->complete("request", "requests", begin_, end - begin_,
                        {{"purge us", stall[StallCause::purge]},
                         {"teardown us", stall[StallCause::teardown]},
                         {"machine us", stall[StallCause::machine]},
                         {"unexplained us", stall[StallCause::unexplained]}});
  }
}

TeardownTimer::TeardownTimer(Timeline* timeline)
    : timeline_(timeline), begin_(Clock::now()), cpu_ns_(cpu_ns()), purges_(PurgeTrace::totals_of_this_thread()) {}

TeardownTimer::~TeardownTimer() {
  const auto length = Clock::now() - begin_;
  const PurgeTotals purges = PurgeTrace::totals_of_this_thread();
  teardown_ns_of_thread += cpu_ns() - cpu_ns_ - static_cast<std::int64_t>(purges.cpu_ns - purges_.cpu_ns);
  const auto own = length - std::chrono::nanoseconds(purges.wall_ns - purges_.wall_ns);
  if (own >= shortest_recorded) PauseProfile::process().record(PauseCause::teardown, own);
  if (timeline_ != nullptr) timeline_->complete("teardown", "teardowns", begin_, length);
}

CollectorTimer::CollectorTimer(Timeline* timeline) : timeline_(timeline), begin_(Clock::now()), cpu_ns_(cpu_ns()) {}

CollectorTimer::~CollectorTimer() {
  const auto end = Clock::now();
  collector_ns_of_thread += cpu_ns() - cpu_ns_;
  collector_pauses.add(ns_since_epoch(begin_), ns_since_epoch(end));
  if (end - begin_ >= shortest_recorded) PauseProfile::process().record(PauseCause::collector, end - begin_);
  if (timeline_ != nullptr) timeline_->complete("collection", "collector", begin_, end - begin_);
}

}  // namespace plateau::harness
