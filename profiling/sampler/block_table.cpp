#include "profiling/sampler/block_table.hpp"

#include <algorithm>
#include <utility>

namespace plateau::sampler {

std::array<BlockTable::Bucket*, 2> BlockTable::buckets_of(const void* block) {
  // The finaliser of splitmix64: neighbouring addresses end up in unrelated buckets.
  std::uint64_t hash = reinterpret_cast<std::uintptr_t>(block);
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  hash ^= hash >> 31;
  return {&buckets_[hash % buckets], &buckets_[(hash / buckets) % buckets]};
}

std::size_t BlockTable::free_places(const Bucket& bucket) {
  return static_cast<std::size_t>(std::count_if(bucket.keys.begin(), bucket.keys.end(), [](const auto& key) {
    return key.load(std::memory_order_relaxed) == free_place;
  }));
}

bool BlockTable::insert_into(Bucket& bucket, const void* block, const RecordedBlock& record) {
  for (std::size_t i = 0; i < ways; ++i) {
    std::uintptr_t expected = free_place;
    if (bucket.keys[i].load(std::memory_order_relaxed) != free_place ||
        !bucket.keys[i].compare_exchange_strong(expected, being_written, std::memory_order_acquire))
      continue;
    bucket.records[i] = record;
    bucket.keys[i].store(reinterpret_cast<std::uintptr_t>(block), std::memory_order_release);
    return true;
  }
  return false;
}

void BlockTable::prefetch(const void* block) {
  for (Bucket* const bucket : buckets_of(block)) {
    __builtin_prefetch(&bucket->keys, 1);
    __builtin_prefetch(&bucket->records, 1);
  }
}

bool BlockTable::insert(const void* block, const RecordedBlock& record) {
  auto [emptier, fuller] = buckets_of(block);
  if (free_places(*emptier) < free_places(*fuller)) std::swap(emptier, fuller);
  return insert_into(*emptier, block, record) || insert_into(*fuller, block, record);
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
