// JemallocArena: a memory_resource with a jemalloc arena of its own, so that one lifetime has its own slabs and is
// dropped whole.
//
// Unlike Arena, single blocks can be freed and are used again; unlike Pool, any size is served. What it buys is that no
// block of another lifetime pins its pages, and that the end of the lifetime costs one call.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <optional>

struct extent_hooks_s;  // jemalloc's extent_hooks_t

namespace plateau {

struct JemallocArenaOptions {
  // A thread cache makes small blocks about as fast as malloc's. It may be used by one thread at a time, and so may the
  // resource then; without one it is thread-safe and every call takes the arena's lock.
  bool thread_cache = false;
  // How long unused pages are kept; negative means for ever, 0 not at all. Not set: the process's default.
  std::optional<std::chrono::milliseconds> dirty_decay = std::nullopt;
  std::optional<std::chrono::milliseconds> muzzy_decay = std::nullopt;
  // jemalloc's extent_hooks_t: how the arena gets and gives back memory. Must outlive the arena. Null: the default
  // ones.
  extent_hooks_s* extent_hooks = nullptr;
};

// In bytes, of this arena alone.
struct JemallocArenaStatistics {
  std::uint64_t allocated = 0;  // in live blocks, rounded to size classes; blocks in the thread cache count as live
  std::uint64_t active = 0;     // in pages that hold a live block
  std::uint64_t dirty = 0;      // in unused pages not given back
  std::uint64_t muzzy = 0;      // in unused pages given back lazily
  std::uint64_t resident = 0;   // active, dirty, and metadata
  std::uint64_t mapped = 0;     // in extents that are mapped
};

class JemallocArena final : public std::pmr::memory_resource {
 public:
  // Throws std::runtime_error, with what to do, when malloc of this process is not jemalloc's or the arena cannot be
  // had as asked (every knob is read back). A process may make some four thousand arenas at a time; numbers of
  // destroyed ones are used again.
  explicit JemallocArena(JemallocArenaOptions options = {});
  // Every block dies with it. O(extents).
  ~JemallocArena() override;
  JemallocArena(const JemallocArena&) = delete;
  JemallocArena& operator=(const JemallocArena&) = delete;

  // Every block dies, the arena stays: O(slabs and large blocks). No other thread may use the resource meanwhile.
  void reset();
  // Returns unused pages to the kernel now, and flushes the thread cache first.
  void purge();

  // A snapshot. Cost: tens of microseconds, since jemalloc renews the statistics of all arenas.
  JemallocArenaStatistics statistics() const;
  // jemalloc's number of the arena, for its own `arena.<i>.` and `stats.arenas.<i>.` controls.
  unsigned index() const { return index_; }

 private:
  // Throws std::bad_alloc when jemalloc has no memory.
  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override;
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }
  void make_thread_cache();
  void destroy_thread_cache() noexcept;

  unsigned index_ = 0;
  bool has_thread_cache_;
  unsigned thread_cache_ = 0;
  int flags_ = 0;  // of mallocx: the arena, and its cache or none
};

}  // namespace plateau
