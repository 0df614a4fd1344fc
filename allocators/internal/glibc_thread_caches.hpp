// The walk of glibc's caches of threads (tcache): malloc_info(3) counts the blocks in them as in use.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace plateau {

struct GlibcThreadCaches {
  std::uint64_t bytes = 0;    // in free blocks, with their heads
  std::uint64_t threads = 0;  // that have a cache
};

// Sums over all threads but those that `leaves_out` says. Gives nothing where it cannot be known: on another allocator,
// where caches are off (glibc.malloc.tcache_count=0), with a glibc whose caches have another form than those of 2.30
// to 2.41, on another processor than x86-64, and where a sandbox forbids get_robust_list.
//
// Where a cache lies is found out by the calling thread, which frees a block and looks which of libc's own variables
// then leads to it; it is at the same place in each thread. The kernel tells where a thread's own variables are
// (get_robust_list). Other threads' memory is read by the kernel, so that one that ends meanwhile does no harm; nothing
// is written, stopped or locked. Figures of running threads are of almost one moment. Thread-safe. Cost: three system
// calls for each thread.
std::optional<GlibcThreadCaches> glibc_thread_caches(bool (*leaves_out)(pid_t thread));

}  // namespace plateau
