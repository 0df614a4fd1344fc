// What the agent and libplateau_sampler.so show of memory that no malloc has given out: mappings that the program made
// itself, anonymous, shared and of files, what it took by brk, and, the latter alone, stacks of threads; each with the
// stack that made it. C functions behind one symbol, as in interface.hpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "profiling/host/unlocked_pages.hpp"

namespace plateau::sampler {

struct MappedRange {
  std::uintptr_t start = 0;
  std::uintptr_t limit = 0;
  const std::uintptr_t* frames = nullptr;  // of whoever made it: leaf first, return addresses; never freed
  std::size_t depth = 0;
  bool is_thread_stack = false;
  bool is_shared = false;  // shared anonymous memory
  bool is_file = false;    // of any file system, tmpfs among them
};

struct MappedMemoryInterface {
  static constexpr const char* symbol =
      "plateau_mapped_memory";  // const MappedMemoryInterface* plateau_mapped_memory()

  // Copies up to `capacity` ranges, and gives how many there are. The caller must not map memory meanwhile: it asks
  // for the number first.
  std::size_t (*read)(MappedRange* ranges, std::size_t capacity);
  // The same of the pages that the sampler itself has: its tables.
  std::size_t (*own_pages)(UnlockedPages* pages, std::size_t capacity);
};

}  // namespace plateau::sampler
