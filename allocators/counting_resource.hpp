// CountingResource: counts what goes through it to another resource; the unit of "allocation rate" for one part of a
// program. (allocation_counter.hpp counts a whole program.)
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory_resource>

#include "allocators/per_thread.hpp"

namespace plateau {

struct CountingStatistics {
  std::uint64_t calls = 0;        // of allocate that succeeded
  std::uint64_t bytes = 0;        // asked for by them
  std::uint64_t live_blocks = 0;  // not yet given back
  std::uint64_t live_bytes = 0;
  std::uint64_t peak_bytes = 0;  // largest live_bytes, up to the error below
};

// As thread-safe as upstream. Counting adds a few plain stores to lines of the calling thread.
//
// The peak needs one number for all threads. Each thread adds what it has gathered to it when that passes
// `settle_bytes`, so the peak is off by at most `settle_bytes` for each thread; with 0 it is exact and every call
// writes to a line that all threads share.
class CountingResource final : public std::pmr::memory_resource {
 public:
  // `upstream` must outlive this.
  explicit CountingResource(std::pmr::memory_resource* upstream = std::pmr::new_delete_resource(),
                            std::size_t settle_bytes = 64 * 1024)
      : upstream_(upstream), settle_bytes_(static_cast<std::int64_t>(settle_bytes)), threads_(*this) {}

  // Of all threads, past and present. Counts of other threads may be a few calls old. O(threads).
  CountingStatistics statistics() const;

  std::pmr::memory_resource* upstream_resource() const { return upstream_; }

 private:
  // Written by one thread at a time; the atomics are plain moves, and let statistics() read.
  struct alignas(64) Counts {
    explicit Counts(CountingResource&) {}
    std::atomic<std::uint64_t> calls{0};
    std::atomic<std::uint64_t> bytes{0};
    std::atomic<std::uint64_t> frees{0};
    std::atomic<std::uint64_t> freed_bytes{0};
    std::atomic<std::int64_t> unsettled{0};
  };

  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override;
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }
  void settle(std::int64_t difference) noexcept;

  std::pmr::memory_resource* upstream_;
  std::int64_t settle_bytes_;
  std::atomic<std::int64_t> live_{0};  // what threads have settled
  std::atomic<std::int64_t> peak_{0};
  // For threads that have no place of their own (in destructors of static objects): shared, read-modify-write.
  Counts shared_{*this};
  PerThread<Counts, CountingResource> threads_;
};

}  // namespace plateau
