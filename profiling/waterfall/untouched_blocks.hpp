// Live blocks that were given out and never touched: a table reserved for more than will ever come.
#pragma once

#include <cstdint>
#include <vector>

#include "profiling/footprint.hpp"

namespace plateau {

struct UntouchedMemory {
  std::vector<UntouchedBlocks> by_stack;
  std::uint64_t heap_bytes = 0;  // of those: within what the allocator counts by blocks, glibc's own mappings excluded
};

// Of this moment, of the sampled blocks of 64 KiB and more; nothing where no sampler stands in front of malloc.
// Thread-safe. Throws std::bad_alloc. Cost: a system call for each such block, and one for each 256 MiB of it.
UntouchedMemory untouched_blocks();

}  // namespace plateau
