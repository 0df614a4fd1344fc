// Where glibc's heaps lie: malloc_info tells sums without addresses, and the maps tell addresses without owners.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "allocators/internal/glibc_arenas.hpp"
#include "allocators/system/memory_maps.hpp"
#include "profiling/waterfall/address_claims.hpp"

namespace plateau {

// Claims the memory of each arena, and of blocks that have a mapping of their own. Heaps are known by their heads at
// addresses of 64 MiB (malloc/arena.c, heap_info), and are their arena's whose size malloc_info tells; the main arena's
// is the brk heap. Blocks are known by their heads (malloc/malloc.c, IS_MMAPPED), as far as pages are resident. Nothing
// is written, and memory that goes away meanwhile is not touched. Cost: a system call for each possible head.
void claim_glibc_memory(std::span<const MemoryMap> maps, const GlibcArenas& arenas, const ResidentPages& pages,
                        AddressClaims& claims);

}  // namespace plateau
