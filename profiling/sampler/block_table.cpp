#include "profiling/sampler/block_table.hpp"

#include <algorithm>
#include <utility>

namespace plateau::sampler {

std::array<std::size_t, 2> BlockTable::buckets_of(const void* block) {
  // The finaliser of splitmix64: neighbouring addresses end up in unrelated buckets.
  std::uint64_t hash = reinterpret_cast<std::uintptr_t>(block);
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  hash ^= hash >> 31;
  return {hash % buckets, (hash / buckets) % buckets};
}

BlockTable::Bucket* BlockTable::find(std::size_t bucket) const {
  BucketBlock* const block = blocks_[bucket / buckets_a_block].find();
  return block == nullptr ? nullptr : &(*block)[bucket % buckets_a_block];
}

BlockTable::Bucket* BlockTable::find_or_map(std::size_t bucket) {
  BucketBlock* const block = blocks_[bucket / buckets_a_block].find_or_map();
  return block == nullptr ? nullptr : &(*block)[bucket % buckets_a_block];
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
  for (const std::size_t place : buckets_of(block)) {
    const Bucket* const bucket = find(place);
    if (bucket == nullptr) continue;
    __builtin_prefetch(&bucket->keys, 1);
    __builtin_prefetch(&bucket->records, 1);
  }
}

bool BlockTable::insert(const void* block, const RecordedBlock& record) {
  const auto [first, second] = buckets_of(block);
  Bucket* emptier = find_or_map(first);
  Bucket* fuller = find_or_map(second);
  if (emptier == nullptr || fuller == nullptr) return false;
  if (free_places(*emptier) < free_places(*fuller)) std::swap(emptier, fuller);
  return insert_into(*emptier, block, record) || insert_into(*fuller, block, record);
}

std::optional<RecordedBlock> BlockTable::take(const void* block) {
  const auto key = reinterpret_cast<std::uintptr_t>(block);
  for (const std::size_t place : buckets_of(block)) {
    Bucket* const bucket = find(place);
    if (bucket == nullptr) continue;
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
