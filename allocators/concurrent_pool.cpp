#include "allocators/concurrent_pool.hpp"

#include <algorithm>
#include <cstring>

namespace plateau {

void* ConcurrentPool::CountedUpstream::do_allocate(std::size_t bytes, std::size_t alignment) {
  void* const memory = upstream_->allocate(bytes, alignment);
  const std::size_t now = reserved_bytes.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  std::size_t peak = peak_bytes.load(std::memory_order_relaxed);
  while (peak < now && !peak_bytes.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
  return memory;
}

void ConcurrentPool::CountedUpstream::do_deallocate(void* block, std::size_t bytes, std::size_t alignment) {
  reserved_bytes.fetch_sub(bytes, std::memory_order_relaxed);
  upstream_->deallocate(block, bytes, alignment);
}

ConcurrentPool::Shard::Shard(ConcurrentPool& parent) : pool(parent.options_, &parent.upstream_) {
  pool.owner_ = this;
}

ConcurrentPool::ConcurrentPool(PoolOptions options, std::pmr::memory_resource* upstream)
    : options_(options), upstream_(upstream), shardless_(*this), shards_(*this) {
  block_bytes_ = shardless_.pool.block_bytes_;
  block_alignment_ = shardless_.pool.block_alignment_;
  slab_shift_ = shardless_.pool.slab_shift_;
}

void ConcurrentPool::Shard::push_returned(void* block) noexcept {
  pool.mark_free(block);
  void* head = returned.load(std::memory_order_relaxed);
  do {
    std::memcpy(block, &head, sizeof head);
  } while (!returned.compare_exchange_weak(head, block, std::memory_order_release, std::memory_order_relaxed));
}

void ConcurrentPool::Shard::take_returned() noexcept {
  if (returned.load(std::memory_order_relaxed) == nullptr) return;
  void* block = returned.exchange(nullptr, std::memory_order_acquire);
  while (block != nullptr) {
    void* next = nullptr;
    std::memcpy(&next, block, sizeof next);
    pool.push_recent(block);
    block = next;
  }
}

void* ConcurrentPool::allocate_without_shard() {
  const std::scoped_lock lock(shardless_mutex_);
  return shardless_.allocate();
}

std::size_t ConcurrentPool::release_unused() noexcept {
  const auto release = [](Shard& shard) {
    shard.take_returned();
    return shard.pool.release_unused();
  };
  std::size_t released = 0;
  Shard* const own = shards_.local_if_any();
  shards_.for_each([&](Shard& shard, bool in_use) {
    if (!in_use || &shard == own) released += release(shard);
  });
  const std::scoped_lock lock(shardless_mutex_);
  return released + release(shardless_);
}

ConcurrentPoolStatistics ConcurrentPool::statistics() const {
  ConcurrentPoolStatistics result{upstream_.reserved_bytes.load(std::memory_order_relaxed),
                                  upstream_.peak_bytes.load(std::memory_order_relaxed), 0};
  shards_.for_each([&](const Shard&, bool) { ++result.shards; });
  return result;
}

ConcurrentPool::Shard* ConcurrentPool::find_owner(void* block) noexcept {
  Shard* found = shardless_.pool.find_slab(block) != nullptr ? &shardless_ : nullptr;
  shards_.for_each([&](Shard& shard, bool) {
    if (found == nullptr && shard.pool.find_slab(block) != nullptr) found = &shard;
  });
  if (found == nullptr) report_misuse("ConcurrentPool: free of a block that is not this pool's");
  return found;
}

}  // namespace plateau
