// Counts what a program asks of its general-purpose heap, by replacing the global operator new and operator delete.
//
// Linked into programs under test only: CMake target plateau_allocation_counter, an object library; of an installed
// tree plateau::allocation_counter, or plateau-allocation-counter of pkg-config. The blocks still come from malloc and
// so from whichever allocator is loaded. Calls of malloc from C code are not seen. Cost: two or three plain stores to a
// cache line of the calling thread; no lock, no allocation, nothing thrown of its own.
#pragma once

#include <cstdint>

namespace plateau {

struct AllocationCounts {
  std::uint64_t calls = 0;        // of operator new since start
  std::uint64_t bytes = 0;        // asked for since start
  std::uint64_t freed_bytes = 0;  // given back since start
  std::uint64_t unsized_deletes =
      0;                         // deletes that did not say the size: counted by the usable size, which is rounded up
  std::uint64_t peak_bytes = 0;  // largest live_bytes of the process since start, up to 64 KiB off for each thread

  std::uint64_t live_bytes() const { return bytes > freed_bytes ? bytes - freed_bytes : 0; }
};

// Sum over all threads, past and present. Thread-safe; does not allocate. Counts of other threads may be a few calls
// old.
AllocationCounts allocation_counts();

// Of the calling thread, and of ended threads whose place it took: only differences mean anything, and they are exact.
// A thread has no peak_bytes (0). Past 255 live threads the last ones share a place and are counted together.
AllocationCounts thread_allocation_counts();

}  // namespace plateau
