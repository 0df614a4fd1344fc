// Heap: the facade over whichever general-purpose allocator this process really runs on.
//
// What it is is found out at run time, from the shared object that provides `malloc`, and never from a flag or from
// what was linked. Nothing here starts a thread of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "allocators/reply.hpp"

namespace plateau {

enum class AllocatorKind { glibc, jemalloc, tcmalloc, mimalloc, unknown };

std::string_view to_string(AllocatorKind kind);

// All in bytes unless the name says otherwise. What the allocator cannot tell is empty, never 0.
// The order is that of the RSS waterfall: each step contains the one before it.
struct HeapStatistics {
  std::optional<std::uint64_t> requested;  // asked for by the program, before rounding to size classes
  std::optional<std::uint64_t> allocated;  // in live blocks, rounded to size classes; none of `cached`
  std::optional<std::uint64_t> active;     // in pages that hold at least one live block
  std::optional<std::uint64_t>
      resident;  // active, plus dirty pages and metadata: what the allocator keeps from the kernel
  std::optional<std::uint64_t> mapped;         // in extents that are mapped
  std::optional<std::uint64_t> retained;       // address space kept for later; not resident
  std::optional<std::uint64_t> metadata;       // the allocator's own records
  std::optional<std::uint64_t> dirty;          // in unused pages not given back
  std::optional<std::uint64_t> muzzy;          // in unused pages given back lazily (MADV_FREE)
  std::optional<std::uint64_t> purges;         // count of purge passes since start
  std::optional<std::uint64_t> madvise_calls;  // count of madvise (or equal) calls since start
  std::optional<std::uint64_t> cached;         // freed, and kept in caches of threads; part of active, not of allocated
  // These are SlabStatistics; only Heap::statistics_with_slabs() fills them in.
  std::optional<std::uint64_t> slab_bytes;
  std::optional<std::uint64_t> slab_region_bytes;
};

// Slabs of small size classes, summed: where pinning shows. Slack is what dead neighbours of live blocks cost.
struct SlabStatistics {
  std::uint64_t slab_bytes = 0;    // in slabs that hold at least one live block
  std::uint64_t region_bytes = 0;  // in live blocks of those slabs, rounded to size classes
};

// One size class of the allocator: blocks of `region_bytes`, `regions_per_slab` to a slab of `slab_bytes`.
struct SizeClass {
  std::uint64_t region_bytes = 0;
  std::uint64_t slab_bytes = 0;
  std::uint32_t regions_per_slab = 0;
};

// Outcome of a request to the allocator.
using HeapReply = Reply<std::string_view>;

inline constexpr HeapReply heap_done{true, {}};

// What a controller of retention can have of an allocator. A reply that is not done says what cannot be had, and why.
struct PurgeSupport {
  HeapReply unused;  // statistics() tells the unused bytes that a purge would return: dirty and muzzy
  HeapReply slices;  // purge_slice() returns a part and not everything
  HeapReply flush;   // flush_thread_cache() empties the calling thread's cache
  HeapReply quiet;   // with a dirty decay of -1 ms nothing is purged but on request
};

// Thread-safe. Not copied; one per process.
class Heap {
 public:
  // The allocator of this process. The first call looks it up (dynamic linker, a file name) and may allocate.
  static Heap& process();

  explicit Heap(std::string library) : library_(std::move(library)) {}
  virtual ~Heap() = default;
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  virtual AllocatorKind kind() const = 0;
  // As the allocator itself reports it, for example "5.3.0-0-g54eaed1d8b56b1aa528be3bdd1877e59c56fa90c".
  virtual std::string version() const = 0;
  // The settings in force that matter here, read from the allocator; empty when it cannot tell.
  virtual std::string configuration() const { return {}; }
  // File that provides malloc.
  const std::string& library() const { return library_; }

  // A snapshot; it does not allocate. Cost: tens of microseconds on jemalloc (it merges all arenas), less elsewhere.
  virtual HeapStatistics statistics() = 0;
  // Of the moment of the last statistics(); does not allocate. Empty where the allocator does not tell (all but
  // jemalloc).
  virtual std::optional<SlabStatistics> slab_statistics() { return std::nullopt; }
  // Both of these in one snapshot. Does not allocate. Costs two more reads of the allocator for each small size class.
  HeapStatistics statistics_with_slabs();
  // The small size class that serves a request of `bytes`; empty where the allocator does not tell or it is no slab
  // class.
  virtual std::optional<SizeClass> size_class(std::uint64_t bytes) const;

  // Returns unused pages to the kernel now, as far as the allocator can from this thread.
  virtual HeapReply purge() = 0;
  // Returns `bytes` of unused pages to the kernel, or all when there are fewer, in the smallest step of at least that
  // many (see PurgeSupport::slices) that the allocator has; jemalloc chooses by its last statistics(). Does not
  // allocate. Cost: of the order of 0.1 ms a MiB that is returned.
  virtual HeapReply purge_slice(std::uint64_t bytes);
  // Gives the free blocks in the calling thread's cache back to the allocator. Does not allocate.
  virtual HeapReply flush_thread_cache() = 0;
  virtual PurgeSupport purge_support() const = 0;
  // Beyond it malloc returns null, after the allocator has given back all unused pages to stay within it; empty: none.
  // Read back after writing. tcmalloc only.
  virtual HeapReply set_heap_limit(std::optional<std::uint64_t> bytes);
  // How long unused pages are kept; negative means for ever, 0 means not at all. Read back after writing.
  virtual HeapReply set_dirty_decay(std::chrono::milliseconds decay);
  virtual HeapReply set_muzzy_decay(std::chrono::milliseconds decay);
  virtual std::optional<std::chrono::milliseconds> dirty_decay() const { return std::nullopt; }
  virtual std::optional<std::chrono::milliseconds> muzzy_decay() const { return std::nullopt; }
  // Purging by threads of the allocator's own. Read back after writing.
  virtual HeapReply set_background_thread(bool on);
  virtual std::optional<bool> background_thread() const { return std::nullopt; }

 private:
  std::string library_;
};

}  // namespace plateau
