// Which live blocks were recorded, by address: of fixed size, lock-free, and cheap to ask when the answer is no.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "profiling/host/mapped_on_demand.hpp"
#include "profiling/sampler/poisson.hpp"

namespace plateau::sampler {

// What is to be taken back when the block is freed.
struct RecordedBlock {
  Weight weight;
  std::uint32_t stack = 0;
  std::uint32_t thread = 0;   // that allocated it, by the kernel's number
  std::uint64_t born_ns = 0;  // by CLOCK_MONOTONIC
  std::uint32_t nth = 0;      // allocation of that thread, by its count, which wraps
};

// Counts recorded blocks by page. A free of any other block costs one load here, of a line that serves 64 neighbouring
// pages (256 KiB of heap). Pages 4 GiB apart share a counter, and one that was full stays so: that costs needless looks
// into the table, no more.
class PageFilter {
 public:
  bool may_hold(const void* block) const { return counter(block).load(std::memory_order_relaxed) != 0; }
  void add(const void* block) { change(counter(block), 1); }
  void remove(const void* block) { change(counter(block), -1); }

 private:
  using Counter = std::atomic<std::uint8_t>;
  static constexpr std::uint8_t full = 255;
  static constexpr std::size_t pages = std::size_t{1} << 20;
  static void change(Counter& counter, int by) {
    std::uint8_t seen = counter.load(std::memory_order_relaxed);
    while (seen != full &&
           !counter.compare_exchange_weak(seen, static_cast<std::uint8_t>(seen + by), std::memory_order_relaxed)) {
    }
  }
  static std::size_t index(const void* block) { return (reinterpret_cast<std::uintptr_t>(block) >> 12) % pages; }
  const Counter& counter(const void* block) const { return counters_[index(block)]; }
  Counter& counter(const void* block) { return counters_[index(block)]; }

  std::array<Counter, pages> counters_{};
};

// Memory is mapped in pieces as they are needed, 6 MiB in all; where the kernel gives none, there is no place.
//
// Thread-safe and lock-free; never allocates; usable in a child after fork. Each address has two buckets of a cache
// line of keys (two-choice hashing: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001), so
// that the table fills almost to the last place before it refuses.
//
// A block is inserted before malloc returns it and taken before free gives it to the allocator, so that no address is
// in the table twice.
class BlockTable {
 public:
  static constexpr std::size_t capacity = std::size_t{1} << 17;

  // Brings what insert will read closer to the processor, while there is something else to do.
  void prefetch(const void* block);
  // False when there is no place for it. The address must not be in the table.
  bool insert(const void* block, const RecordedBlock& record);
  // Takes the record out; empty when the block was not recorded.
  std::optional<RecordedBlock> take(const void* block);

  // Visits each block that is in the table, while others come and go. Costs a look at each place that ever was needed.
  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto& mapped : blocks_) {
      const BucketBlock* const block = mapped.find();
      if (block == nullptr) continue;
      for (const Bucket& bucket : *block) {
        for (std::size_t i = 0; i < ways; ++i) {
          const std::uintptr_t key = bucket.keys[i].load(std::memory_order_acquire);
          if (key == free_place || key == being_written) continue;
          const RecordedBlock record = bucket.records[i];
          std::atomic_thread_fence(std::memory_order_acquire);
          if (bucket.keys[i].load(std::memory_order_relaxed) != key) continue;  // it has left meanwhile
          visit(reinterpret_cast<const void*>(key), record);
        }
      }
    }
  }

 private:
  static constexpr std::size_t ways = 8;
  static constexpr std::size_t buckets = capacity / ways;
  static constexpr std::uintptr_t free_place = 0;
  static constexpr std::uintptr_t being_written = 1;

  struct alignas(64) Bucket {
    std::array<std::atomic<std::uintptr_t>, ways> keys{};
    std::array<RecordedBlock, ways> records{};
  };

  static constexpr std::size_t buckets_a_block = 256;
  using BucketBlock = std::array<Bucket, buckets_a_block>;

  static std::array<std::size_t, 2> buckets_of(const void* block);
  // Null when nothing was ever in one of its neighbours.
  Bucket* find(std::size_t bucket) const;
  // Null when the kernel gives no memory.
  Bucket* find_or_map(std::size_t bucket);
  static std::size_t free_places(const Bucket& bucket);
  static bool insert_into(Bucket& bucket, const void* block, const RecordedBlock& record);

  std::array<MappedOnDemand<BucketBlock>, buckets / buckets_a_block> blocks_{};
};

}  // namespace plateau::sampler
