// Pool: blocks of one size over Boost.Pool, as a memory_resource. The upstream of arenas that come and go: their blocks
// are taken and given back in O(1), without the general heap.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <new>

#include <boost/pool/pool.hpp>

namespace plateau {

struct PoolStatistics {
  std::size_t live_blocks = 0;
  std::size_t peak_blocks = 0;
  std::size_t block_bytes = 0;
  std::size_t reserved_blocks = 0;  // taken from the general heap

  std::size_t free_bytes() const { return (reserved_blocks - live_blocks) * block_bytes; }
};

// Not thread-safe. Memory goes back to the heap only when the pool dies. Neither copied nor moved.
class Pool final : public std::pmr::memory_resource {
 public:
  // `block_bytes` is rounded up to the alignment of max_align_t; `blocks_per_chunk` blocks are taken from the heap at a
  // time.
  Pool(std::size_t block_bytes, std::size_t blocks_per_chunk)
      : block_bytes_((block_bytes + alignof(std::max_align_t) - 1) / alignof(std::max_align_t) *
                     alignof(std::max_align_t)),
        blocks_per_chunk_(blocks_per_chunk),
        pool_(block_bytes_, blocks_per_chunk, blocks_per_chunk) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  PoolStatistics statistics() const {
    // Chunks are all of one size, and a new one is taken only when no block is free.
    const std::size_t chunks = (peak_ + blocks_per_chunk_ - 1) / blocks_per_chunk_;
    return {live_, peak_, block_bytes_, chunks * blocks_per_chunk_};
  }

 private:
  // Only for requests of up to `block_bytes` and the alignment of max_align_t; anything else is std::bad_alloc, since a
  // pool that quietly passes it on hides a wrong size. Throws std::bad_alloc when the general heap has no more.
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    if (bytes > block_bytes_ || alignment > alignof(std::max_align_t)) throw std::bad_alloc();
    void* const block = pool_.malloc();
    if (block == nullptr) throw std::bad_alloc();
    if (++live_ > peak_) peak_ = live_;
    return block;
  }
  void do_deallocate(void* block, std::size_t /*bytes*/, std::size_t /*alignment*/) override {
    pool_.free(block);
    --live_;
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  std::size_t block_bytes_;
  std::size_t blocks_per_chunk_;
  std::size_t live_ = 0;
  std::size_t peak_ = 0;
  boost::pool<boost::default_user_allocator_new_delete> pool_;
};

}  // namespace plateau
