// Stacks with totals: of fixed size, lock-free, never allocates. For recorders that run inside an allocator.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace plateau {

// `Totals` is what is counted for each stack: atomics that start at zero. `capacity` stacks, with `frame_capacity`
// frames in all; neither takes memory before it is used, when the table lies in zero-initialised memory.
//
// Thread-safe; usable in a child after fork, whatever other threads were doing. Stacks are never forgotten. Two threads
// that add the same new stack at the same moment may both get a place for it: readers sum by stack.
template <class Totals, std::size_t capacity, std::size_t frame_capacity>
class StackTable {
 public:
  // Stands for all stacks that found no place, so that sums over the table stay right.
  static constexpr std::uint32_t overflow = 0;

  // The place of the stack, or `overflow`.
  std::uint32_t find_or_add(std::span<const std::uintptr_t> stack) {
    const std::uint64_t hash = hash_of(stack);
    for (std::size_t i = 0; i < longest_probe; ++i) {
      const auto place = static_cast<std::uint32_t>((hash / 2 + i) % capacity);
      if (place == overflow) continue;
      Entry& entry = entries_[place];
      std::uint64_t found = entry.hash.load(std::memory_order_acquire);
      if (found == 0 && entry.hash.compare_exchange_strong(found, hash, std::memory_order_acq_rel)) {
        return write(entry, stack) ? place : overflow;
      }
      if (found == hash && same(entry, stack)) return place;
    }
    return overflow;
  }

  Totals& totals(std::uint32_t place) { return entries_[place].totals; }

  // Of a place that find_or_add gave; empty for `overflow`. Never changes.
  std::span<const std::uintptr_t> stack(std::uint32_t place) const {
    return {frames_.data() + entries_[place].first_frame, entries_[place].depth};
  }

  // Calls visit(stack, totals) for every stack, and with an empty stack for `overflow`, also if nothing is in it.
  template <class Visit>
  void for_each(Visit visit) const {
    visit(std::span<const std::uintptr_t>{}, entries_[overflow].totals);
    for (const Entry& entry : entries_) {
      if (!entry.written.load(std::memory_order_acquire)) continue;
      visit(std::span<const std::uintptr_t>(frames_.data() + entry.first_frame, entry.depth), entry.totals);
    }
  }

 private:
  static constexpr std::size_t longest_probe = 64;

  struct Entry {
    std::atomic<std::uint64_t> hash{0};  // 0: free
    std::atomic<bool> written{false};
    std::uint32_t depth = 0;
    std::size_t first_frame = 0;
    Totals totals;
  };

  static std::uint64_t hash_of(std::span<const std::uintptr_t> stack) {
    std::uint64_t hash = stack.size();
    for (const std::uintptr_t address : stack) {
      hash = (hash ^ address) * 0x9e3779b97f4a7c15;  // 2^64 / golden ratio
      hash ^= hash >> 32;
    }
    return hash | 1;  // 0 is a free place
  }

  bool same(const Entry& entry, std::span<const std::uintptr_t> stack) const {
    return entry.written.load(std::memory_order_acquire) && entry.depth == stack.size() &&
           std::equal(stack.begin(), stack.end(), frames_.data() + entry.first_frame);
  }

  bool write(Entry& entry, std::span<const std::uintptr_t> stack) {
    const std::size_t first = frames_used_.fetch_add(stack.size(), std::memory_order_relaxed);
    if (first + stack.size() > frame_capacity) {
      frames_used_.fetch_sub(stack.size(), std::memory_order_relaxed);
      return false;  // the place stays taken and unwritten: there is no room for its frames anyway
    }
    std::copy(stack.begin(), stack.end(), frames_.data() + first);
    entry.first_frame = first;
    entry.depth = static_cast<std::uint32_t>(stack.size());
    entry.written.store(true, std::memory_order_release);
    return true;
  }

  std::array<Entry, capacity> entries_{};
  std::array<std::uintptr_t, frame_capacity> frames_{};
  std::atomic<std::size_t> frames_used_{0};
};

}  // namespace plateau
