// What the sampler does around an allocation: a countdown on the way in, and a record of the one block in many on which
// it runs out.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "profiling/sampler/allocation_totals.hpp"
#include "profiling/sampler/block_table.hpp"
#include "profiling/sampler/crossings.hpp"
#include "profiling/sampler/interface.hpp"
#include "profiling/sampler/poisson.hpp"

namespace plateau::sampler {

// Trivial and zero at first, so that a thread's first malloc needs no construction (which would allocate).
struct ThreadState {
  std::uint64_t countdown = 0;  // bytes until the next point
  std::uint64_t period = 0;     // of which the countdown was drawn; 0: none was yet
  Gaps gaps;
  bool recording = false;  // in the sampler already: what it calls may allocate
  bool ignored = false;
  std::uint32_t number = 0;  // the kernel's, once it was asked; that of the parent's thread in a forked child
  std::uint32_t allocations = 0;

  // The fast path of every allocation: whether no point falls into a block of so many bytes. If so it takes its bytes.
  bool passes(std::size_t bytes) {
    if (bytes >= countdown) return false;
    countdown -= bytes + 1;
    ++allocations;
    return true;
  }
};

extern constinit thread_local ThreadState thread_state;

// Stands for the stacks of all threads that are left out: they are Plateau's own, and counted apart.
inline constexpr std::uint32_t of_ignored_threads = UINT32_MAX;

// One per process, in zero-initialised memory; its tables are mapped as they fill. Thread-safe, lock-free, allocates
// nothing, and stays usable in a child after fork.
class Recorder {
 public:
  // After an allocation that did not pass: takes a record when a point really fell into it. `caller` is the return
  // address of malloc's caller, at which the stack begins.
  void on_allocation(void* block, std::size_t bytes, const void* caller);

  // Whether the block may be a recorded one; if not, nothing else has to be done for its end.
  bool may_hold(const void* block) const { return filter_.may_hold(block); }
  // Before the block goes back to the allocator. A record that was taken is counted as freed, by the calling thread and
  // now, or kept after all.
  std::optional<RecordedBlock> take(const void* block);
  void count_freed(const RecordedBlock& record);
  void keep(const void* block, const RecordedBlock& record);
  // Blocks at such an address are never recorded, but always asked for.
  void watch_page_of(const void* block) { filter_.add(block); }

  void start(std::uint64_t period_bytes);
  void stop() { active_.store(false, std::memory_order_relaxed); }
  bool active() const { return active_.load(std::memory_order_relaxed); }
  std::uint64_t period() const {
    const std::uint64_t period = period_.load(std::memory_order_relaxed);
    return period != 0 ? period : default_period_bytes;
  }
  SamplerCounts counts() const;
  const AllocatingStacks& stacks() const { return stacks_; }
  const BlockTable& blocks() const { return blocks_; }
  const Crossings& crossings() const { return crossings_; }

 private:
  AllocationTotals& totals_of(std::uint32_t stack) {
    return stack == of_ignored_threads ? ignored_ : stacks_.totals(stack);
  }

  bool configured();
  void record(const void* block, const Weight& weight, const void* caller);
  // No longer in use, since an unknown time.
  void forget(const RecordedBlock& record) { totals_of(record.stack).forgotten.add(record.weight); }

  std::atomic<bool> configured_{false};
  std::atomic<bool> active_{false};
  std::atomic<std::uint64_t> period_{0};  // 0: the default; a zero, or the whole recorder would lie in the file
  std::atomic<std::uint64_t> seeds_{0};
  std::atomic<std::uint64_t> recorded_{0};
  std::atomic<std::uint64_t> live_{0};
  std::atomic<std::uint64_t> blocks_lost_{0};
  std::atomic<std::uint64_t> bytes_lost_{0};
  std::atomic<std::uint64_t> stacks_lost_{0};
  std::atomic<std::uint64_t> frees_unseen_{0};
  PageFilter filter_;
  BlockTable blocks_;
  AllocatingStacks stacks_;
  Crossings crossings_;
  AllocationTotals ignored_;
};

extern constinit Recorder recorder;

// Whether a process is recorded from its first block on, or from start() on. Defined by the library that the sampler is
// part of.
extern const bool records_from_the_start;

}  // namespace plateau::sampler
