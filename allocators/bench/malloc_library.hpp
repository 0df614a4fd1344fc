// malloc and free of several allocators in one process, so that they can be timed interleaved.
#pragma once

#include <cstddef>

namespace plateau::bench {

// The program is linked with all of them, the C library first: that one stays the process's own malloc, and the others
// are reached by their addresses.
struct MallocLibrary {
  const char* name;
  void* (*allocate)(std::size_t);
  void (*release)(void*);
};

enum class Malloc { glibc, jemalloc, tcmalloc, mimalloc };

// Throws std::runtime_error when the library is not loaded.
const MallocLibrary& malloc_library(Malloc which);

}  // namespace plateau::bench
