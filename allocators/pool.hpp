// Pool: blocks of one size, over the segregated storage of Boost.Pool, that gives whole free slabs back.
//
// Blocks are carved from slabs: aligned pieces of memory from an upstream resource. A freed block goes on a stack of
// recent ones, and the next allocation takes it from there. When the stack could keep more slabs from being empty than
// may be retained, its older half returns to the slabs, and slabs without a live block return upstream. (boost::pool
// alone never gives memory back after frees in no order: github.com/boostorg/pool/issues/30.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <mutex>

#include <boost/pool/simple_segregated_storage.hpp>

#include "allocators/address_sanitizer.hpp"
#include "allocators/block_resource.hpp"
#include "allocators/misuse.hpp"

namespace plateau {

struct PoolOptions {
  std::size_t block_bytes = 64;                             // rounded up to a multiple of the alignment
  std::size_t block_alignment = alignof(std::max_align_t);  // a power of two, 8 at least
  std::size_t slab_bytes = 0;                  // a power of two; 0: room for 16 blocks, and 64 KiB at least
  std::size_t retain_bytes = 4 * 1024 * 1024;  // of slabs without a live block, kept for later
};

struct PoolStatistics {
  std::size_t live_blocks = 0;
  std::size_t block_bytes = 0;
  std::size_t reserved_blocks = 0;      // that fit into the slabs held
  std::size_t reserved_bytes = 0;       // of the slabs held from upstream, headers included
  std::size_t peak_reserved_bytes = 0;  // largest reserved_bytes ever

  std::size_t free_bytes() const { return reserved_bytes - live_blocks * block_bytes; }
};

// Not thread-safe (ConcurrentPool is). Neither copied nor moved. Live blocks die with the pool.
//
// Memory held beyond the slabs that contain live blocks is at most `retain_bytes` and the slab in use.
// A debug build (PLATEAU_MISUSE_CHECKS) aborts with one line on a double free and on a block of another pool; it looks
// through all slabs to do so.
class Pool final : public BlockResource<Pool> {
 public:
  // Throws std::invalid_argument when the alignment or the slab size is no power of two or a slab holds no block. Takes
  // nothing from upstream before the first allocation. `upstream` must outlive the pool.
  explicit Pool(PoolOptions options, std::pmr::memory_resource* upstream = std::pmr::new_delete_resource());
  ~Pool() override;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // One block. Throws what upstream throws. A few instructions; a new slab costs O(its blocks).
  // (The one of the base class takes a size and goes through the virtual call.)
  [[gnu::always_inline]] void* allocate_block() {
    void* const block = recent_top_ != recent_begin_.get() ? *--recent_top_ : allocate_beyond_recent();
    mark_live(block);
    return block;
  }

  // A few instructions; beyond the retention bound, O(1) amortised to sort blocks back into their slabs.
  [[gnu::always_inline]] void deallocate_block(void* block) noexcept {
    mark_free(block);
    push_recent(block);
  }

  // Gives every slab without a live block back, whatever may be retained. O(slabs + free blocks sorted back).
  // Returns the bytes given back.
  std::size_t release_unused() noexcept;

  PoolStatistics statistics() const;
  std::pmr::memory_resource* upstream_resource() const { return upstream_; }

 private:
  friend class ConcurrentPool;

  // The list of free blocks: Boost.Pool's, each block holding the address of the next.
  using FreeList = boost::simple_segregated_storage<std::size_t>;

  // Which list of the pool a slab is on.
  enum class Place : std::uint8_t { none, available, empty };

  // Header of a slab. It stands a few cache lines into the slab, by the slab's number: headers at the same offset of
  // aligned slabs would compete for the same few sets of the cache.
  struct Slab {
    FreeList free;
    void* owner = nullptr;  // the pool's owner_
    std::size_t taken = 0;  // blocks that are live or recent
    Place place = Place::none;
    Slab* next = nullptr;  // on the list of its place
    Slab* previous = nullptr;
    Slab* next_of_all = nullptr;
    Slab* previous_of_all = nullptr;
    std::byte* begin = nullptr;
    // A bit for each block, set while it is live; kept by builds that check.
    std::uint64_t* live_bits() { return reinterpret_cast<std::uint64_t*>(this + 1); }
  };
  static constexpr std::size_t header_colors = 16;
  static constexpr std::size_t header_step = 64;

  static Slab* slab_of(const void* block, unsigned slab_shift) noexcept {
    const std::uintptr_t number = reinterpret_cast<std::uintptr_t>(block) >> slab_shift;
    return reinterpret_cast<Slab*>((number << slab_shift) + number % header_colors * header_step);
  }

  [[gnu::always_inline]] void push_recent(void* block) noexcept {
    if (recent_top_ == recent_end_) [[unlikely]]
      return overflow(block);
    *recent_top_++ = block;
  }

  // The first word of a free block belongs to the list.
  void mark_free(void* block) noexcept {
    if constexpr (misuse_checks) check_free(block);
    if constexpr (address_sanitizer)
      poison(static_cast<std::byte*>(block) + sizeof(void*), block_bytes_ - sizeof(void*));
  }
  void mark_live(void* block) noexcept {
    if constexpr (misuse_checks) note_live(block);
    if constexpr (address_sanitizer) unpoison(block, block_bytes_);
  }
  class SlabListLock;
  Slab* find_slab(const void* block) noexcept;
  void check_free(void* block) noexcept;
  void note_live(void* block) noexcept;

  void* allocate_beyond_recent();
  void overflow(void* block) noexcept;
  void sort_back(void* block) noexcept;
  void sort_all_back() noexcept;
  bool may_retain_all() const noexcept { return slab_count_ << slab_shift_ <= retain_bytes_; }
  std::size_t half_of_stack() const noexcept {
    return (static_cast<std::size_t>(recent_end_ - recent_begin_.get()) + 1) / 2;
  }
  bool has_free_block() const noexcept {
    return recent_top_ != recent_begin_.get() || spilled_count_ > 0 || (current_ != nullptr && !current_->free.empty());
  }
  Slab* next_slab();
  Slab* take_slab();
  void release_slab(Slab* slab) noexcept;
  void release_empty_slabs(std::size_t keep) noexcept;
  void put(Slab* slab, Place place) noexcept;
  void remove(Slab* slab) noexcept;
  Slab*& list(Place place) noexcept { return place == Place::available ? available_ : empty_; }
  std::byte* first_block(const Slab* slab) const noexcept { return slab->begin + blocks_offset_; }
  void set_limits() noexcept;

  void** recent_top_;  // the stack of recent blocks; first in the object, since every call needs it
  void** recent_end_;  // its capacity now: each recent block may keep one slab from being empty
  std::unique_ptr<void*[]> recent_begin_;
  std::size_t recent_capacity_;
  FreeList spilled_;  // recent blocks beyond the stack, while everything held may be retained
  std::size_t spilled_count_ = 0;
  std::size_t empty_limit_ = 0;
  Slab* current_ = nullptr;    // where allocations come from when no block is recent; not given back by a free
  Slab* available_ = nullptr;  // others that have both free and taken blocks
  Slab* empty_ = nullptr;      // others without a taken block
  Slab* slabs_ = nullptr;
  void* owner_ = this;  // a shard, when this is part of a ConcurrentPool
  unsigned slab_shift_;
  std::size_t blocks_offset_;  // of the first block, from the beginning of a slab
  std::size_t blocks_per_slab_;
  std::size_t retain_bytes_;
  std::size_t taken_ = 0;  // sum over slabs
  std::size_t slab_count_ = 0;
  std::size_t empty_count_ = 0;
  std::size_t peak_slabs_ = 0;
  std::pmr::memory_resource* upstream_;
  std::mutex slab_list_mutex_;  // for the list of all slabs, in builds that check
};

}  // namespace plateau
