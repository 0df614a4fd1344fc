#include "profiling/sampler/block_table.hpp"

namespace plateau::sampler {

std::array<BlockTable::Bucket*, 2> BlockTable::buckets_of(const void* block) {
  std::uint64_t hash = reinterpret_cast<std::uintptr_t>(block) * 0x9e3779b97f4a7c15;  // 2^64 / golden ratio
  hash ^= hash >> 32;
  return {&buckets_[hash % buckets], &buckets_[(hash / buckets) % buckets]};
}

bool BlockTable::insert(const void* block, const RecordedBlock& record) {
  for (Bucket* const bucket : buckets_of(block)) {
    for (std::size_t i = 0; i < ways; ++i) {
      std::uintptr_t expected = free_place;
      if (bucket->keys[i].load(std::memory_order_relaxed) != free_place ||
          !bucket->keys[i].compare_exchange_strong(expected, being_written, std::memory_order_acquire))
        continue;
      bucket->records[i] = record;
      bucket->keys[i].store(reinterpret_cast<std::uintptr_t>(block), std::memory_order_release);
      return true;
    }
  }
  return false;
}

std::optional<RecordedBlock> BlockTable::take(const void* block) {
  const auto key = reinterpret_cast<std::uintptr_t>(block);
  for (Bucket* const bucket : buckets_of(block)) {
    for (std::size_t i = 0; i < ways; ++i) {
      std::uintptr_t expected = key;
      if (bucket->keys[i].load(std::memory_order_relaxed) != key ||
          !bucket->keys[i].compare_exchange_strong(expected, being_written, std::memory_order_acquire))
        continue;
      const RecordedBlock record = bucket->records[i];
      bucket->keys[i].store(free_place, std::memory_order_release);
      return record;
    }
  }
  return std::nullopt;
}

}  // namespace plateau::sampler
