// ConcurrentPool: a Pool for several threads.
//
// Every thread allocates from a pool of its own. A block freed by another thread is pushed onto its owner's list of
// returned blocks, one compare-and-swap and no lock; the owner takes that list whole, with one exchange, when its slab
// has run out. The scheme is mimalloc's (Leijen, Zorn, de Moura: Mimalloc: Free List Sharding in Action, 2019, section
// 2.4), with a list for each owner instead of each page.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory_resource>
#include <mutex>

#include "allocators/block_resource.hpp"
#include "allocators/per_thread.hpp"
#include "allocators/pool.hpp"

namespace plateau {

struct ConcurrentPoolStatistics {
  std::size_t reserved_bytes = 0;       // of the slabs held from upstream, headers included
  std::size_t peak_reserved_bytes = 0;  // largest reserved_bytes ever
  std::size_t shards = 0;               // pools, one a thread: as many as there were threads at the same time
};

// Thread-safe. Neither copied nor moved. Must outlive its use by any thread; live blocks die with it. A thread's end
// loses nothing: its pool passes to the next new thread, and its blocks can be freed as before.
//
// `retain_bytes` holds for each thread's pool. Blocks freed by other threads stay with their owner until it allocates,
// or until release_unused() when the owner has ended.
class ConcurrentPool final : public BlockResource<ConcurrentPool> {
 public:
  // As Pool. `upstream` must be thread-safe and outlive the pool.
  explicit ConcurrentPool(PoolOptions options, std::pmr::memory_resource* upstream = std::pmr::new_delete_resource());

  // As Pool::allocate_block. No lock and no line shared with other threads while the thread's slab lasts.
  void* allocate_block() {
    Shard* const shard = shards_.local();
    if (shard == nullptr) [[unlikely]]
      return allocate_without_shard();
    return shard->allocate();
  }
  // From any thread. Own blocks as Pool::deallocate_block; those of others by one lock-free push.
  void deallocate_block(void* block) noexcept {
    Shard* const owner = owner_of(block);
    if (owner == shards_.local_if_any()) [[likely]] {
      owner->pool.deallocate_block(block);
    } else {
      owner->push_returned(block);
    }
  }

  // Gives back the slabs without a live block, of the calling thread and of threads that have ended; each running
  // thread can only do it for its own. Returns the bytes given back.
  std::size_t release_unused() noexcept;

  ConcurrentPoolStatistics statistics() const;

 private:
  // Slabs come seldom, so what they hold is counted here, where any thread can read it.
  class CountedUpstream final : public std::pmr::memory_resource {
   public:
    explicit CountedUpstream(std::pmr::memory_resource* upstream) : upstream_(upstream) {}
    std::atomic<std::size_t> reserved_bytes{0};
    std::atomic<std::size_t> peak_bytes{0};

   private:
    void* do_allocate(std::size_t bytes, std::size_t alignment) override;
    void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override;
    bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }
    std::pmr::memory_resource* upstream_;
  };

  struct alignas(64) Shard {
    explicit Shard(ConcurrentPool& parent);
    void* allocate() {
      if (pool.recent_top_ == pool.recent_begin_.get() && !pool.has_free_block()) [[unlikely]]
        take_returned();
      return pool.allocate_block();
    }
    void push_returned(void* block) noexcept;
    void take_returned() noexcept;

    Pool pool;
    alignas(64) std::atomic<void*> returned{nullptr};  // blocks freed by other threads, linked through their first word
  };

  Shard* owner_of(void* block) noexcept {
    if constexpr (misuse_checks) return find_owner(block);
    return static_cast<Shard*>(Pool::slab_of(block, slab_shift_)->owner);
  }
  Shard* find_owner(void* block) noexcept;
  void* allocate_without_shard();

  PoolOptions options_;
  unsigned slab_shift_;
  CountedUpstream upstream_;
  // For threads without a shard. Its blocks always come back through the list of returned ones.
  Shard shardless_;
  std::mutex shardless_mutex_;
  PerThread<Shard, ConcurrentPool> shards_;
};

}  // namespace plateau
