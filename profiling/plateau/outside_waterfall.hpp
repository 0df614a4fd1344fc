// Where another process's RSS is, as far as it can be told from outside.
#pragma once

#include <string>

#include "profiling/footprint.hpp"
#include "profiling/plateau/outside_view.hpp"

namespace plateau {

struct OutsideFootprint {
  Footprint footprint;        // see footprint.hpp; figures that only the process itself can tell are empty
  bool knows_arenas = false;  // glibc's, which tell live blocks from free ones
  bool is_complete = true;    // false: there is more free than was counted
  bool reads_memory = false;  // false: only the kernel's figures are there
  std::string own_allocator;  // "jemalloc": its memory cannot be told from the program's own mappings
};

// Read-only. Throws std::runtime_error as OutsideView does, and when the process ends meanwhile. Cost: what the kernel
// needs to list its pages, some milliseconds a GiB, and at most half a second for lists of free blocks.
OutsideFootprint outside_footprint(pid_t process);

}  // namespace plateau
