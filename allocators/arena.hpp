// Arena: a bump allocator for things that die together.
//
// Memory comes in blocks from an upstream resource; an allocation moves a pointer; a single deallocation does nothing;
// `reset` makes everything free at once. Destructors are not run: put in it only what may simply be forgotten.
#pragma once

#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory_resource>

namespace plateau {

struct ArenaOptions {
  std::size_t block_bytes = 64 * 1024;  // size of a block, header included; larger requests get a block of their own
  std::size_t retain_bytes = SIZE_MAX;  // what `reset` keeps at most, in whole blocks, for the next round
};

struct ArenaStatistics {
  std::size_t used_bytes = 0;        // handed out since the last reset, alignment gaps included
  std::size_t reserved_bytes = 0;    // held from upstream, headers included
  std::size_t blocks = 0;            // held from upstream, oversized ones included
  std::size_t high_water_bytes = 0;  // largest used_bytes ever
  std::size_t resets = 0;

  std::size_t slack_bytes() const { return reserved_bytes - used_bytes; }
};

// Not thread-safe. Neither copied nor moved, since containers keep its address.
class Arena final : public std::pmr::memory_resource {
 public:
  // Takes nothing from upstream until the first allocation. `upstream` must outlive the arena.
  explicit Arena(ArenaOptions options = {}, std::pmr::memory_resource* upstream = std::pmr::new_delete_resource());
  ~Arena() override { release(); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // `alignment` is a power of two. Never null; zero bytes count as one, so every address is another.
  // Throws what upstream throws (std::bad_alloc), and std::bad_alloc when the size cannot be represented.
  // A few instructions while the block lasts. Hides the virtual path of the base class on purpose.
  void* allocate(std::size_t bytes, std::size_t alignment = alignof(std::max_align_t)) {
    assert(std::has_single_bit(alignment));
    bytes += static_cast<std::size_t>(bytes == 0);
    const std::size_t gap = (0 - reinterpret_cast<std::uintptr_t>(next_)) & (alignment - 1);
    const auto room = static_cast<std::size_t>(end_ - next_);
    if (gap > room || bytes > room - gap) [[unlikely]] {
      return allocate_slowly(bytes, alignment);
    }
    std::byte* const result = next_ + gap;
    next_ = result + bytes;
    unpoison(result, bytes);
    return result;
  }

  // Everything handed out becomes invalid; at most `retain_bytes` of blocks stay. O(blocks).
  void reset() noexcept;
  // As reset, and every block goes back upstream. O(blocks).
  void release() noexcept;

  ArenaStatistics statistics() const;

 private:
  struct Block {
    Block* next;
    std::size_t bytes;  // header included
    std::byte* begin() { return reinterpret_cast<std::byte*>(this + 1); }
    std::byte* end() { return reinterpret_cast<std::byte*>(this) + bytes; }
  };

  void* do_allocate(std::size_t bytes, std::size_t alignment) override { return allocate(bytes, alignment); }
  void do_deallocate(void* /*block*/, std::size_t /*bytes*/, std::size_t /*alignment*/) override {}
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  void* allocate_slowly(std::size_t bytes, std::size_t alignment);
  void* allocate_oversized(std::size_t bytes, std::size_t alignment);
  Block* take_block(std::size_t bytes);
  void give_back(Block* list) noexcept;
  void enter(Block* block);
  std::size_t used() const;
  static void poison(void* begin, std::size_t bytes) noexcept;
  static void unpoison(void* begin, std::size_t bytes) noexcept;

  std::byte* next_ = nullptr;  // first free byte of the current block
  std::byte* end_ = nullptr;
  Block* current_ = nullptr;  // blocks after it in the list are retained and empty
  Block* first_ = nullptr;
  Block* oversized_ = nullptr;   // one request each; never retained
  std::size_t used_before_ = 0;  // in blocks already left behind, and in oversized ones
  std::size_t reserved_ = 0;
  std::size_t blocks_ = 0;
  std::size_t high_water_ = 0;
  std::size_t resets_ = 0;
  ArenaOptions options_;
  std::pmr::memory_resource* upstream_;
};

}  // namespace plateau

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
inline void plateau::Arena::poison(void* begin, std::size_t bytes) noexcept {
  __asan_poison_memory_region(begin, bytes);
}
inline void plateau::Arena::unpoison(void* begin, std::size_t bytes) noexcept {
  __asan_unpoison_memory_region(begin, bytes);
}
#else
inline void plateau::Arena::poison(void*, std::size_t) noexcept {}
inline void plateau::Arena::unpoison(void*, std::size_t) noexcept {}
#endif
