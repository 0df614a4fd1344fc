#include "profiling/sampler/recorder.hpp"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "profiling/sampler/period.hpp"
#include "profiling/stacks/stack_capture.hpp"

namespace plateau::sampler {

constinit thread_local ThreadState thread_state;
constinit Recorder recorder;

namespace {

// They allocate little, of which the footprint tells.
constexpr std::uint64_t period_of_ignored_threads = 16 * 1024;

// Neither changes errno.
std::uint64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

// Asked once: a sandbox that the thread enters later may forbid it.
std::uint32_t this_thread() {
  std::uint32_t& number = thread_state.number;
  if (number == 0) number = static_cast<std::uint32_t>(::gettid());
  return number;
}

std::uint64_t new_seed(std::uint64_t nth) {
  return (monotonic_ns() + (nth << 48)) ^ (static_cast<std::uint64_t>(::getpid()) << 32);
}

// In the middle of the program's malloc, which must leave errno alone.
void complain() {
  const int before = errno;
  static_cast<void>(!::write(STDERR_FILENO, bad_period_message, sizeof bad_period_message - 1));
  errno = before;
}

}  // namespace

// The environment is not there yet when the dynamic linker makes the first allocations of the process.
bool Recorder::configured() {
  if (configured_.load(std::memory_order_acquire)) return true;
  if (environ == nullptr) return false;
  const std::optional<std::uint64_t> period = period_in(std::getenv(period_variable));
  if (!period) complain();
  const bool samples = period.value_or(0) > 0;
  if (samples) period_.store(*period, std::memory_order_relaxed);
  active_.store(samples && records_from_the_start, std::memory_order_relaxed);
  configured_.store(true, std::memory_order_release);
  return true;
}

void Recorder::on_allocation(void* block, std::size_t bytes, const void* caller) {
  ThreadState& thread = thread_state;
  if (thread.recording || !configured()) return;
  if (thread.period == 0) {
    thread.gaps.seed(new_seed(seeds_.fetch_add(1, std::memory_order_relaxed)));
    thread.period = period();
    thread.countdown = thread.gaps.next(thread.period);
    if (thread.passes(bytes)) return;
  }
  ++thread.allocations;
  const std::uint64_t drawn_with = thread.period;
  thread.period = thread.ignored ? std::min(period(), period_of_ignored_threads) : period();
  thread.countdown = thread.gaps.next(thread.period);
  if (block == nullptr || !active()) return;
  thread.recording = true;
  record(block, weight_of(bytes, drawn_with), caller);
  thread.recording = false;
}

void Recorder::record(const void* block, const Weight& weight, const void* caller) {
  blocks_.prefetch(block);
  CapturedFrames frames;
  const std::uint32_t stack =
      thread_state.ignored ? of_ignored_threads : stacks_.find_or_add(capture_stack(frames, caller));
  if (stack == AllocatingStacks::overflow) stacks_lost_.fetch_add(1, std::memory_order_relaxed);
  // An address that is here already was given back by a way that is not seen, such as an allocator's own function.
  if (const auto stale = may_hold(block) ? take(block) : std::nullopt) {
    forget(*stale);
    frees_unseen_.fetch_add(1, std::memory_order_relaxed);
  }
  totals_of(stack).allocated.add(weight);
  if (stack != of_ignored_threads) recorded_.fetch_add(1, std::memory_order_relaxed);
  keep(block, {.weight = weight,
               .stack = stack,
               .thread = this_thread(),
               .born_ns = monotonic_ns(),
               .nth = thread_state.allocations});
}

void Recorder::count_freed(const RecordedBlock& record) {
  const std::uint64_t now = monotonic_ns();
  const std::uint64_t lived_ns = now > record.born_ns ? now - record.born_ns : 0;
  AllocationTotals& totals = totals_of(record.stack);
  totals.freed[lifetime_class(lived_ns)].add(record.weight, lived_ns);
  if (record.stack == of_ignored_threads) return;
  if (const std::uint32_t thread = this_thread(); thread != record.thread) {
    crossings_.add(record.stack, record.thread, thread, record.weight);
    return;
  }
  const std::size_t soon = temporary_class(thread_state.allocations - record.nth);
  if (soon < temporary_classes) totals.temporaries[soon].add(record.weight);
}

void Recorder::keep(const void* block, const RecordedBlock& record) {
  filter_.add(block);
  if (blocks_.insert(block, record)) {
    if (record.stack != of_ignored_threads) live_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  filter_.remove(block);
  forget(record);
  blocks_lost_.fetch_add(1, std::memory_order_relaxed);
  bytes_lost_.fetch_add(record.weight.bytes, std::memory_order_relaxed);
}

std::optional<RecordedBlock> Recorder::take(const void* block) {
  const std::optional<RecordedBlock> record = blocks_.take(block);
  if (record) {
    filter_.remove(block);
    if (record->stack != of_ignored_threads) live_.fetch_sub(1, std::memory_order_relaxed);
  }
  return record;
}

void Recorder::start(std::uint64_t period_bytes) {
  period_.store(period_bytes, std::memory_order_relaxed);
  configured_.store(true, std::memory_order_release);
  active_.store(true, std::memory_order_relaxed);
}

SamplerCounts Recorder::counts() const {
  return {.period_bytes = period(),
          .recorded = recorded_.load(std::memory_order_relaxed),
          .live = live_.load(std::memory_order_relaxed),
          .blocks_lost = blocks_lost_.load(std::memory_order_relaxed),
          .bytes_lost = bytes_lost_.load(std::memory_order_relaxed),
          .stacks_lost = stacks_lost_.load(std::memory_order_relaxed),
          .ignored_bytes = ignored_.read().in_use.bytes,
          .frees_unseen = frees_unseen_.load(std::memory_order_relaxed),
          .active = active()};
}

}  // namespace plateau::sampler
