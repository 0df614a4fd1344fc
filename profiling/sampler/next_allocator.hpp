// The allocator behind the sampler: the next definitions of malloc and its kin in the dynamic linker's order.
#pragma once

#include <cstddef>

namespace plateau::sampler {

struct NextAllocator {
  void* (*malloc)(std::size_t) noexcept;
  void* (*calloc)(std::size_t, std::size_t) noexcept;
  void* (*realloc)(void*, std::size_t) noexcept;
  void (*free)(void*) noexcept;
  int (*posix_memalign)(void**, std::size_t, std::size_t) noexcept;
  void* (*aligned_alloc)(std::size_t, std::size_t) noexcept;
  void* (*memalign)(std::size_t, std::size_t) noexcept;
  void* (*valloc)(std::size_t) noexcept;
  void* (*pvalloc)(std::size_t) noexcept;
};

// Each function looks all of them up when it is called first, and then stands aside.
extern constinit NextAllocator next;

// Whether the block was given out while the look-up itself asked for memory. Such a block is never freed, and can be
// read up to where the reserve ends.
bool in_bootstrap_reserve(const void* block);
std::size_t bootstrap_readable_bytes(const void* block);

}  // namespace plateau::sampler
