// The stacks that allocated, each with what was recorded for it: of fixed size, lock-free, never allocates.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "profiling/sampler/poisson.hpp"

namespace plateau::sampler {

// Estimated totals of a stack.
struct StackTotals {
  Weight allocated;  // since the sampler started
  Weight freed;      // of those

  Weight in_use() const { return {allocated.objects - freed.objects, allocated.bytes - freed.bytes}; }
};

// Thread-safe and lock-free; usable in a child after fork. Stacks are never forgotten. Two threads that add the same
// new stack at the same moment may both get a place for it: readers sum by stack.
class StackTable {
 public:
  static constexpr std::size_t max_depth = 128;
  static constexpr std::size_t capacity = std::size_t{1} << 16;
  static constexpr std::size_t frame_capacity = std::size_t{1} << 22;  // 32 MiB of address space, used as it fills
  // Stands for all stacks that found no place, so that the totals stay right.
  static constexpr std::uint32_t overflow = 0;

  // The place of the stack (leaf first, at most max_depth), or `overflow`.
  std::uint32_t find_or_add(std::span<const std::uintptr_t> stack);

  void add_allocated(std::uint32_t stack, const Weight& weight) { add(entries_[stack].allocated, weight); }
  void add_freed(std::uint32_t stack, const Weight& weight) { add(entries_[stack].freed, weight); }

  // Calls visit(stack, totals) for each that has allocated. The stack of `overflow` is empty.
  template <class Visit>
  void for_each(Visit visit) const {
    for (const Entry& entry : entries_) {
      if (&entry != &entries_[overflow] && !entry.written.load(std::memory_order_acquire)) continue;
      // Freed first: what is freed was allocated before, so that no difference is negative.
      const Weight freed = read(entry.freed);
      const Weight allocated = read(entry.allocated);
      if (allocated.objects == 0) continue;
      visit(std::span<const std::uintptr_t>(frames_.data() + entry.first_frame, entry.depth),
            StackTotals{allocated, freed});
    }
  }

 private:
  struct AtomicWeight {
    std::atomic<std::uint64_t> objects{0};
    std::atomic<std::uint64_t> bytes{0};
  };
  struct Entry {
    std::atomic<std::uint64_t> hash{0};  // 0: free
    std::atomic<bool> written{false};
    std::uint32_t depth = 0;
    std::size_t first_frame = 0;
    AtomicWeight allocated;
    AtomicWeight freed;
  };

  bool same(const Entry& entry, std::span<const std::uintptr_t> stack) const;
  bool write(Entry& entry, std::span<const std::uintptr_t> stack);

  static void add(AtomicWeight& sum, const Weight& weight) {
    sum.objects.fetch_add(weight.objects, std::memory_order_release);
    sum.bytes.fetch_add(weight.bytes, std::memory_order_release);
  }
  static Weight read(const AtomicWeight& sum) {
    return {sum.objects.load(std::memory_order_acquire), sum.bytes.load(std::memory_order_acquire)};
  }

  std::array<Entry, capacity> entries_{};
  std::array<std::uintptr_t, frame_capacity> frames_{};
  std::atomic<std::size_t> frames_used_{0};
};

}  // namespace plateau::sampler
