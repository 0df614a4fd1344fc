// glibc's arenas in another process: found by their shape (malloc/malloc.c, malloc_state, and malloc/arena.c,
// heap_info, as they have been since glibc 2.27 on 64 bits), and read while the process goes on.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "allocators/internal/glibc_arenas.hpp"
#include "profiling/plateau/outside_view.hpp"

namespace plateau {

struct OutsideArena {
  GlibcArena told;  // as the arena's own records tell; what caches of threads and fast bins have is in use to them
  bool is_main = false;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;  // of addresses
};

struct OutsideGlibc {
  std::vector<OutsideArena> arenas;  // the main one first
  bool is_complete = true;           // false: lists of free blocks were too long, or changed; there is more free
};

// Nothing where no main arena is found: another allocator, another layout, or memory that may not be read. Takes half a
// second at most, however long the lists are.
std::optional<OutsideGlibc> outside_glibc(const OutsideView& view);

}  // namespace plateau
