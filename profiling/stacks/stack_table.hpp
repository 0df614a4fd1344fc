// Stacks with totals: of fixed size, lock-free, never allocates. For recorders that run inside an allocator.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "profiling/host/mapped_on_demand.hpp"

namespace plateau {

// `Totals` is what is counted for each stack: atomics that start at zero. `capacity` stacks, with `frame_capacity`
// frames in all. Memory is mapped in pieces as they are needed, and is not locked by mlockall(MCL_FUTURE); where the
// kernel gives none, the table counts as full. Stacks lie in the order in which they came, so that few of them take few
// pages, and a visit of all touches no others.
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
      const std::size_t slot = (hash / 2 + i) % capacity;
      SlotBlock* const block = slots_[slot / slots_a_block].find_or_map();
      if (block == nullptr) return overflow;
      Slot& candidate = (*block)[slot % slots_a_block];
      std::uint64_t found = candidate.hash.load(std::memory_order_acquire);
      if (found == 0 && candidate.hash.compare_exchange_strong(found, hash, std::memory_order_acq_rel)) {
        const std::uint32_t place = add(stack);
        candidate.place.store(place, std::memory_order_release);
        return place;
      }
      if (found != hash) continue;
      const std::uint32_t place = candidate.place.load(std::memory_order_acquire);
      if (place != overflow && same(entry(place), stack)) return place;
    }
    return overflow;
  }

  Totals& totals(std::uint32_t place) { return place == overflow ? overflow_totals_ : entry(place).totals; }

  // Of a place that find_or_add gave; empty for `overflow`. Never changes.
  std::span<const std::uintptr_t> stack(std::uint32_t place) const {
    return place == overflow ? std::span<const std::uintptr_t>{} : frames_of(entry(place));
  }

  // Calls visit(stack, totals) for every stack, and with an empty stack for `overflow`, also if nothing is in it.
  template <class Visit>
  void for_each(Visit visit) const {
    visit(std::span<const std::uintptr_t>{}, overflow_totals_);
    const std::size_t used = std::min(entries_used_.load(std::memory_order_acquire), capacity);
    for (std::size_t i = 0; i < used; ++i) {
      const EntryBlock* const block = entries_[i / entries_a_block].find();
      if (block == nullptr) continue;
      const Entry& one = (*block)[i % entries_a_block];
      if (one.written.load(std::memory_order_acquire)) visit(frames_of(one), one.totals);
    }
  }

  // Forgets all, and gives the memory back. Requires that no other thread uses the table.
  void clear() noexcept {
    for (auto& block : slots_) block.release();
    for (auto& block : entries_) block.release();
    for (auto& block : frames_) block.release();
    entries_used_ = 0;
    frames_used_ = 0;
    std::destroy_at(&overflow_totals_);
    std::construct_at(&overflow_totals_);
  }

 private:
  static constexpr std::size_t longest_probe = 64;
  static constexpr std::size_t slots_a_block = std::min<std::size_t>(capacity, 1024);
  static constexpr std::size_t entries_a_block = std::min<std::size_t>(capacity, 512);
  static constexpr std::size_t frames_a_block = std::min<std::size_t>(frame_capacity, 8192);
  static_assert(capacity % slots_a_block == 0 && capacity % entries_a_block == 0);
  static_assert(frame_capacity % frames_a_block == 0);

  // Found by its hash.
  struct Slot {
    std::atomic<std::uint64_t> hash{0};  // 0: free
    std::atomic<std::uint32_t> place{overflow};
  };

  struct Entry {
    std::atomic<bool> written{false};
    std::uint32_t depth = 0;
    std::size_t first_frame = 0;
    Totals totals;
  };

  using SlotBlock = std::array<Slot, slots_a_block>;
  using EntryBlock = std::array<Entry, entries_a_block>;
  using FrameBlock = std::array<std::uintptr_t, frames_a_block>;

  // Requires a place that find_or_add gave: its block is mapped. Places count from 1.
  Entry& entry(std::uint32_t place) {
    return (*entries_[(place - 1) / entries_a_block].find())[(place - 1) % entries_a_block];
  }
  const Entry& entry(std::uint32_t place) const {
    return (*entries_[(place - 1) / entries_a_block].find())[(place - 1) % entries_a_block];
  }

  std::span<const std::uintptr_t> frames_of(const Entry& entry) const {
    if (entry.depth == 0) return {};
    return {frames_[entry.first_frame / frames_a_block].find()->data() + entry.first_frame % frames_a_block,
            entry.depth};
  }

  static std::uint64_t hash_of(std::span<const std::uintptr_t> stack) {
    std::uint64_t hash = stack.size();
    for (const std::uintptr_t address : stack) {
      hash = (hash ^ address) * 0x9e3779b97f4a7c15;  // 2^64 / golden ratio
      hash ^= hash >> 32;
    }
    return hash | 1;  // 0 is a free place
  }

  bool same(const Entry& entry, std::span<const std::uintptr_t> stack) const {
    const auto frames = frames_of(entry);
    return std::equal(stack.begin(), stack.end(), frames.begin(), frames.end());
  }

  // The first of `count` places for frames in a row, in one block; nothing when there is no room.
  std::optional<std::size_t> take_frames(std::size_t count) {
    std::size_t used = frames_used_.load(std::memory_order_relaxed);
    for (;;) {
      const std::size_t left_in_block = frames_a_block - used % frames_a_block;
      const std::size_t first = count <= left_in_block ? used : used + left_in_block;
      if (count > frames_a_block || first + count > frame_capacity) return std::nullopt;
      if (frames_used_.compare_exchange_weak(used, first + count, std::memory_order_relaxed)) return first;
    }
  }

  // Gives its place, or `overflow`: a slot that leads nowhere stays taken, since there is no room for others either.
  std::uint32_t add(std::span<const std::uintptr_t> stack) {
    const auto first = take_frames(stack.size());
    if (!first) return overflow;
    if (!stack.empty()) {
      FrameBlock* const block = frames_[*first / frames_a_block].find_or_map();
      if (block == nullptr) return overflow;
      std::copy(stack.begin(), stack.end(), block->data() + *first % frames_a_block);
    }
    const std::size_t index = entries_used_.fetch_add(1, std::memory_order_acq_rel);
    if (index >= capacity) return overflow;
    EntryBlock* const block = entries_[index / entries_a_block].find_or_map();
    if (block == nullptr) return overflow;
    Entry& added = (*block)[index % entries_a_block];
    added.first_frame = *first;
    added.depth = static_cast<std::uint32_t>(stack.size());
    added.written.store(true, std::memory_order_release);
    return static_cast<std::uint32_t>(index + 1);
  }

  std::array<MappedOnDemand<SlotBlock>, capacity / slots_a_block> slots_{};
  std::array<MappedOnDemand<EntryBlock>, capacity / entries_a_block> entries_{};
  std::array<MappedOnDemand<FrameBlock>, frame_capacity / frames_a_block> frames_{};
  std::atomic<std::size_t> entries_used_{0};
  std::atomic<std::size_t> frames_used_{0};
  Totals overflow_totals_{};
};

}  // namespace plateau
