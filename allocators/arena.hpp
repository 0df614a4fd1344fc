// Arena: a bump allocator for things that die together.
//
// Memory comes in blocks from an upstream resource; an allocation moves a pointer; a single deallocation does nothing;
// `reset` makes everything free at once. `create` registers the destructors that have something to do, and only those.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "allocators/address_sanitizer.hpp"
#include "allocators/misuse.hpp"

namespace plateau {

struct ArenaOptions {
  std::size_t block_bytes = 64 * 1024;        // size of the first block, header included
  std::size_t max_block_bytes = 1024 * 1024;  // blocks double up to here; larger requests get a block of their own
  std::size_t retain_bytes = SIZE_MAX;        // what `reset` keeps at most, in whole blocks, for the next round
  std::size_t allocation_limit = SIZE_MAX;    // reserved_bytes never passes it: std::bad_alloc instead
};

// reserved_bytes = used_bytes + wasted_bytes + free_bytes.
struct ArenaStatistics {
  std::size_t used_bytes = 0;        // handed out since the last reset, rounded up to 8 bytes, alignment gaps included
  std::size_t reserved_bytes = 0;    // held: from upstream and the caller's buffer, headers included
  std::size_t wasted_bytes = 0;      // headers, and ends of blocks that were left for a larger request
  std::size_t blocks = 0;            // held, oversized ones and the caller's buffer included
  std::size_t high_water_bytes = 0;  // largest used_bytes ever
  std::size_t resets = 0;            // calls of reset and release

  std::size_t free_bytes() const { return reserved_bytes - used_bytes - wasted_bytes; }
  std::size_t slack_bytes() const { return reserved_bytes - used_bytes; }
};

// Not thread-safe. Neither copied nor moved, since containers keep its address.
class Arena final : public std::pmr::memory_resource {
  struct Block;
  struct Destructor;

 public:
  // A place to come back to. Valid until the arena is reset, released, or rewound to an earlier one.
  class Mark {
    friend class Arena;
    const Arena* arena_ = nullptr;
    std::size_t resets_ = 0;
    Block* current_ = nullptr;
    std::byte* next_ = nullptr;
    Block* oversized_ = nullptr;
    Destructor* destructors_ = nullptr;
    std::size_t used_before_ = 0;
    std::size_t wasted_ = 0;
  };

  // Takes nothing from upstream until the first allocation. `upstream` must outlive the arena.
  explicit Arena(ArenaOptions options = {}, std::pmr::memory_resource* upstream = std::pmr::new_delete_resource());
  // Serves from `buffer` first (a local array, say), and keeps it over every reset. It must outlive the arena; one too
  // small for a block header and a few bytes is left alone.
  explicit Arena(std::span<std::byte> buffer, ArenaOptions options = {},
                 std::pmr::memory_resource* upstream = std::pmr::new_delete_resource());
  ~Arena() override { release(); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // `alignment` is a power of two. Never null; zero bytes count as one, so every address is another.
  // Throws what upstream throws (std::bad_alloc), and std::bad_alloc at the limit or when the size cannot be
  // represented; the arena stays as it was. A few instructions while the block lasts. Hides the virtual path of the
  // base class on purpose.
  [[gnu::always_inline]] void* allocate(std::size_t bytes, std::size_t alignment = alignof(std::max_align_t)) {
    std::byte* result;
    if (bump(bytes, alignment, result)) [[likely]]
      return result;
    return allocate_slowly(bytes, alignment);
  }

  // As allocate, but null where that would throw std::bad_alloc.
  void* try_allocate(std::size_t bytes, std::size_t alignment = alignof(std::max_align_t)) noexcept {
    std::byte* result;
    if (bump(bytes, alignment, result)) [[likely]]
      return result;
    return try_allocate_slowly(bytes, alignment);
  }

  // A T that lives until reset, release, or rewind. Its destructor runs then, in reverse order of creation, unless it
  // is trivial (which costs nothing). Throws as allocate, and what T's constructor throws.
  template <class T, class... Arguments>
  T* create(Arguments&&... arguments) {
    if constexpr (std::is_trivially_destructible_v<T>) {
      return ::new (allocate(sizeof(T), alignof(T))) T(std::forward<Arguments>(arguments)...);
    } else {
      Destructor* const record = allocate_record<T>(1);
      T* const object = ::new (record->objects) T(std::forward<Arguments>(arguments)...);
      enlist(record);
      return object;
    }
  }

  // `count` value-initialised Ts, as create. Throws std::bad_alloc when their size cannot be represented.
  template <class T>
  std::span<T> create_array(std::size_t count) {
    if (count > SIZE_MAX / sizeof(T)) throw std::bad_alloc();
    if constexpr (std::is_trivially_destructible_v<T>) {
      T* const first = static_cast<T*>(allocate(count * sizeof(T), alignof(T)));
      std::uninitialized_value_construct_n(first, count);
      return {first, count};
    } else {
      Destructor* const record = allocate_record<T>(count);
      T* const first = static_cast<T*>(record->objects);
      std::uninitialized_value_construct_n(first, count);
      enlist(record);
      return {first, count};
    }
  }

  // Everything handed out becomes invalid; destructors run, newest first; at most `retain_bytes` of blocks stay, and
  // the caller's buffer. O(registered destructors + blocks given back): O(1) when all of it may stay.
  // A destructor must not use the arena.
  void reset() noexcept;
  // As reset, and every block goes back upstream.
  void release() noexcept;

  Mark mark() const;
  // Everything handed out since `mark` becomes invalid; its destructors run, newest first; blocks stay.
  // O(destructors and oversized blocks since then). A mark of another arena, of before a reset, or beyond the present
  // place is misuse.
  void rewind(const Mark& mark) noexcept;

  // Takes over all that `other` holds, as if it had been handed out here just now; `other` is empty afterwards. What
  // was left of the current block is wasted. A container taken over must not allocate any more: its resource is still
  // `other`. O(1). Throws std::invalid_argument, and changes nothing, when upstreams
  // differ, when `other` is this or serves from a caller's buffer; std::bad_alloc at the limit.
  void splice(Arena& other);

  ArenaStatistics statistics() const;
  std::pmr::memory_resource* upstream_resource() const { return upstream_; }

 private:
  // At the front of every block. Its size is a multiple of the largest fundamental alignment, and so is that of blocks.
  struct alignas(std::max_align_t) Block {
    Block* next;
    std::size_t bytes;  // header included
    std::byte* begin() { return reinterpret_cast<std::byte*>(this + 1); }
    std::byte* end() { return reinterpret_cast<std::byte*>(this) + bytes; }
  };
  struct Destructor {
    Destructor* next;
    void* objects;
    std::size_t count;
    void (*run)(void* objects, std::size_t count) noexcept;
  };

  // One cache line of code with neither frame nor branch on the usual alignments: it stands in every program that
  // includes this header, where neither its flags nor the linker's choice of a place may decide what a call costs.
  [[gnu::aligned(64)]] void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    check_alignment(alignment);
    if (alignment > alignof(std::max_align_t)) [[unlikely]]
      return allocate_overaligned(bytes, alignment);
    std::byte* const result = round_up(next_, alignment);
    if (!claim(result, bytes)) [[unlikely]]
      return allocate_slowly(bytes, alignment);
    return result;
  }
  void do_deallocate(void* /*block*/, std::size_t /*bytes*/, std::size_t /*alignment*/) override {}
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  // Sizes are rounded up to `grain`, so that the usual alignments need no step of their own: the next address depends
  // on the last by one addition.
  static constexpr std::size_t grain = 8;

  // Decided with the library, and not by assert: a program built without NDEBUG would pay for it in every call.
  [[gnu::always_inline]] static void check_alignment([[maybe_unused]] std::size_t alignment) noexcept {
    if constexpr (misuse_checks) {
      if (!std::has_single_bit(alignment))
        report_misuse("Arena::allocate with an alignment that is not a power of two");
    }
  }
  [[gnu::always_inline]] static std::byte* round_up(std::byte* address, std::size_t alignment) noexcept {
    const auto number = reinterpret_cast<std::uintptr_t>(address);
    return reinterpret_cast<std::byte*>((number + (alignment - 1)) & (0 - alignment));
  }

  // False when the current block is too small, or for zero bytes. The ends of blocks are aligned to max_align_t, so
  // rounding an address up to no more than that never passes them; a larger alignment has to be checked for it.
  [[gnu::always_inline]] bool bump(std::size_t bytes, std::size_t alignment, std::byte*& result) noexcept {
    check_alignment(alignment);
    result = next_;
    if (alignment > grain) {
      result = round_up(next_, alignment);
      if (alignment > alignof(std::max_align_t)) {
        const std::size_t gap = reinterpret_cast<std::uintptr_t>(result) - reinterpret_cast<std::uintptr_t>(next_);
        if (gap > static_cast<std::size_t>(end_ - next_)) [[unlikely]]
          return false;
      }
    }
    return claim(result, bytes);
  }
  // Hands out `bytes` at `first`, which is in the current block and aligned to `grain`. A size that rounds to zero, be
  // it zero or too large to be rounded, fails the same comparison as one that does not fit.
  [[gnu::always_inline]] bool claim(std::byte* first, std::size_t bytes) noexcept {
    const std::size_t rounded = (bytes + grain - 1) / grain * grain;
    if (rounded - 1 >= static_cast<std::size_t>(end_ - first)) [[unlikely]]
      return false;
    next_ = first + rounded;
    unpoison(first, bytes);
    return true;
  }

  template <class T>
  Destructor* allocate_record(std::size_t count) {
    // The record stands in front of the objects, so that one allocation serves both.
    constexpr std::size_t alignment = alignof(T) > alignof(Destructor) ? alignof(T) : alignof(Destructor);
    constexpr std::size_t front = (sizeof(Destructor) + alignment - 1) / alignment * alignment;
    if (count > (SIZE_MAX - front) / sizeof(T)) throw std::bad_alloc();
    auto* const memory = static_cast<std::byte*>(allocate(front + count * sizeof(T), alignment));
    return ::new (memory) Destructor{nullptr, memory + front, count, [](void* objects, std::size_t n) noexcept {
                                       T* const first = static_cast<T*>(objects);
                                       while (n > 0) std::destroy_at(first + --n);
                                     }};
  }
  void enlist(Destructor* record) noexcept {
    record->next = destructors_;
    if (destructors_ == nullptr) oldest_destructor_ = record;
    destructors_ = record;
  }

  void* allocate_slowly(std::size_t bytes, std::size_t alignment);
  void* allocate_overaligned(std::size_t bytes, std::size_t alignment);
  void* try_allocate_slowly(std::size_t bytes, std::size_t alignment) noexcept;
  void* allocate_oversized(std::size_t bytes, std::size_t padding, std::size_t alignment);
  Block* take_block(std::size_t bytes);
  void give_back(Block* list) noexcept;
  void give_back_oversized(const Block* until) noexcept;
  void run_destructors(const Destructor* until) noexcept;
  void enter(Block* block) noexcept;
  void leave_current() noexcept;
  void forget_all(std::size_t retain_bytes) noexcept;
  std::size_t used() const;

  std::byte* next_ = nullptr;  // first free byte of the current block
  std::byte* end_ = nullptr;
  Block* current_ = nullptr;    // blocks after it in the list are retained and empty
  Block* first_ = nullptr;      // the caller's buffer, if any, is always first
  Block* last_ = nullptr;       // of the list
  Block* buffer_ = nullptr;     // the caller's, else null
  Block* oversized_ = nullptr;  // one request each, newest first; never retained
  Block* oldest_oversized_ = nullptr;
  Destructor* destructors_ = nullptr;  // newest first
  Destructor* oldest_destructor_ = nullptr;
  std::size_t next_block_bytes_;
  std::size_t used_before_ = 0;   // in blocks already left behind, and in oversized ones
  std::size_t wasted_ = 0;        // headers of blocks in use, and the ends of blocks left behind
  std::size_t listed_bytes_ = 0;  // of the blocks in the list; oversized ones apart
  std::size_t reserved_ = 0;
  std::size_t blocks_ = 0;
  std::size_t high_water_ = 0;
  std::size_t resets_ = 0;
  ArenaOptions options_;
  std::pmr::memory_resource* upstream_;
};

}  // namespace plateau
