// What the sampler counts when a recorded block is freed: how long it lived, and whether another thread freed it than
// allocated it.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "profiling/sampler/allocation_totals.hpp"
#include "profiling/sampler/block_table.hpp"
#include "profiling/stacks/stack_table.hpp"

namespace plateau::sampler {

// Lifetimes are told apart by powers of ten, from 10 us to 100 s.
inline constexpr std::array<std::uint64_t, 8> lifetime_limits_ns{
    10'000, 100'000, 1'000'000, 10'000'000, 100'000'000, 1'000'000'000, 10'000'000'000, 100'000'000'000};

// Index of the first limit that the lifetime is under, or their number.
inline std::size_t lifetime_class(std::uint64_t ns) {
  const auto above = std::upper_bound(lifetime_limits_ns.begin(), lifetime_limits_ns.end(), ns);
  return static_cast<std::size_t>(above - lifetime_limits_ns.begin());
}

struct LifeTotals {
  WeightSum freed;
  std::atomic<std::uint64_t> object_us{0};  // sum of lifetimes, each as often as its block counts
};

// In zero-initialised memory, mapped as it fills: at most 2 MiB. Thread-safe, lock-free, allocates nothing; usable in a
// child after fork.
class BlockEnds {
 public:
  // `now_ns` by the clock of RecordedBlock::born_ns.
  void count(const RecordedBlock& block, std::uint64_t now_ns, std::uint32_t thread) {
    const std::uint64_t ns = now_ns > block.born_ns ? now_ns - block.born_ns : 0;
    LifeTotals& life =
        lives_.totals(lives_.find_or_add(std::array<std::uintptr_t, 2>{block.stack, lifetime_class(ns)}));
    life.freed.add(block.weight);
    const double objects = static_cast<double>(block.weight.objects) / Weight::object_scale;
    life.object_us.fetch_add(static_cast<std::uint64_t>(objects * static_cast<double>(ns) / 1000),
                             std::memory_order_relaxed);
    if (thread == block.thread) return;
    crossings_.totals(crossings_.find_or_add(std::array<std::uintptr_t, 3>{block.stack, block.thread, thread}))
        .add(block.weight);
  }

  // Calls visit(stack, class, totals), the class by lifetime_class(); for what found no place, with the numbers -1.
  template <class Visit>
  void for_each_life(Visit visit) const {
    lives_.for_each([&](std::span<const std::uintptr_t> key, const LifeTotals& totals) {
      visit(key.empty() ? -1 : static_cast<std::int64_t>(key[0]), key.empty() ? -1 : static_cast<std::int64_t>(key[1]),
            totals);
    });
  }
  // Calls visit(stack, from, to, weight), the threads by their numbers; -1 as above.
  template <class Visit>
  void for_each_crossing(Visit visit) const {
    crossings_.for_each([&](std::span<const std::uintptr_t> key, const WeightSum& sum) {
      if (key.empty()) return visit(-1, 0U, 0U, sum.read());
      visit(static_cast<std::int64_t>(key[0]), static_cast<std::uint32_t>(key[1]), static_cast<std::uint32_t>(key[2]),
            sum.read());
    });
  }

 private:
  StackTable<LifeTotals, std::size_t{1} << 14, std::size_t{1} << 15> lives_;     // key: stack, class
  StackTable<WeightSum, std::size_t{1} << 13, std::size_t{3} << 13> crossings_;  // key: stack, from, to
};

}  // namespace plateau::sampler
