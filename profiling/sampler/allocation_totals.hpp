// What the sampler counts for each stack.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "profiling/sampler/lifetimes.hpp"
#include "profiling/sampler/temporaries.hpp"
#include "profiling/sampler/weight_sum.hpp"
#include "profiling/stacks/stack_table.hpp"

namespace plateau::sampler {

// In one place, so that the end of a block, whose stack was last looked at long ago, waits for memory once.
struct AllocationTotals {
  struct Figures {
    Weight allocated;  // since the sampler started
    Weight in_use;     // of those
  };

  WeightSum allocated;
  std::array<LifeTotals, lifetime_classes> freed;
  std::array<WeightSum, temporary_classes> temporaries;  // of those
  WeightSum forgotten;  // freed when nobody looked, or not kept: of an unknown lifetime

  Figures read() const {
    // What was freed is read first: it was allocated before, so that no difference is negative.
    Weight gone = forgotten.read();
    for (const LifeTotals& life : freed) {
      const Weight weight = life.freed.read();
      gone.objects += weight.objects;
      gone.bytes += weight.bytes;
    }
    const Weight all = allocated.read();
    return {all, {all.objects - gone.objects, all.bytes - gone.bytes}};
  }
};

// At most 24 MiB for stacks, in the order in which they came, and 32 MiB for their frames.
using AllocatingStacks = StackTable<AllocationTotals, std::size_t{1} << 16, std::size_t{1} << 22>;

}  // namespace plateau::sampler
