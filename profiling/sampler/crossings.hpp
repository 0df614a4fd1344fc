// Which thread freed what which other one had allocated.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "profiling/sampler/weight_sum.hpp"
#include "profiling/stacks/stack_table.hpp"

namespace plateau::sampler {

// In zero-initialised memory, mapped as it fills: at most 1 MiB. Thread-safe, lock-free, allocates nothing; usable in a
// child after fork. Threads go by the kernel's numbers, stacks by their places in the recorder's table.
class Crossings {
 public:
  void add(std::uint32_t stack, std::uint32_t from, std::uint32_t to, const Weight& weight) {
    sums_.totals(sums_.find_or_add(std::array<std::uintptr_t, 3>{stack, from, to})).add(weight);
  }

  // Calls visit(stack, from, to, weight); for what found no place, with a stack of -1.
  template <class Visit>
  void for_each(Visit visit) const {
    sums_.for_each([&](std::span<const std::uintptr_t> key, const WeightSum& sum) {
      if (key.empty()) return visit(-1, 0U, 0U, sum.read());
      visit(static_cast<std::int64_t>(key[0]), static_cast<std::uint32_t>(key[1]), static_cast<std::uint32_t>(key[2]),
            sum.read());
    });
  }

 private:
  StackTable<WeightSum, std::size_t{1} << 13, std::size_t{3} << 13> sums_;  // key: stack, from, to
};

}  // namespace plateau::sampler
