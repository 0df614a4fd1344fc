// What the sampler counts for each stack.
#pragma once

#include <atomic>
#include <cstdint>

#include "profiling/sampler/poisson.hpp"
#include "profiling/stacks/stack_table.hpp"

namespace plateau::sampler {

// Thread-safe.
class WeightSum {
 public:
  void add(const Weight& weight) {
    objects_.fetch_add(weight.objects, std::memory_order_release);
    bytes_.fetch_add(weight.bytes, std::memory_order_release);
  }
  Weight read() const { return {objects_.load(std::memory_order_acquire), bytes_.load(std::memory_order_acquire)}; }

 private:
  std::atomic<std::uint64_t> objects_{0};
  std::atomic<std::uint64_t> bytes_{0};
};

struct AllocationTotals {
  struct Figures {
    Weight allocated;  // since the sampler started
    Weight in_use;     // of those
  };

  WeightSum allocated;
  WeightSum freed;

  Figures read() const {
    // Freed first: what is freed was allocated before, so that no difference is negative.
    const Weight gone = freed.read();
    const Weight all = allocated.read();
    return {all, {all.objects - gone.objects, all.bytes - gone.bytes}};
  }
};

// At most 4 MiB for stacks and 32 MiB for their frames.
using AllocatingStacks = StackTable<AllocationTotals, std::size_t{1} << 16, std::size_t{1} << 22>;

}  // namespace plateau::sampler
