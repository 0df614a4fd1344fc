// Heap profiles in the text formats that allocators write:
//
//   jemalloc     heap_v2/<period>                    prof.dump; sampled
//   gperftools   heap profile: … @ heapprofile       its heap profiler; exact
//   tcmalloc     heap profile: … @ heap_v2/<period>, heapz_v2/<period>, heap/<2 x period>     sampled
//   tcmalloc     heap profile: … @ growth, growthz   growth of the address space; exact
#pragma once

#include <cstddef>
#include <iosfwd>
#include <optional>
#include <string>

#include "profiling/heap_profile.hpp"
#include "profiling/profile.hpp"

namespace plateau {

struct LegacyHeap {
  // Of four sample types (heap_profile.hpp), each column unsampled by itself; growth has `objects` and `space` alone.
  // Threads that the dump names are a label, "thread"; the mean size of a stack's blocks is the label "bytes".
  Profile profile;
  std::string format;  // "heap_v2/524288 of jemalloc"
  HeapCount in_use;    // the sum over all stacks
  // Nothing when the allocator did not record what was freed again: the columns of the profile are 0 then, which does
  // not mean that nothing was allocated, and a comment in the profile says so.
  std::optional<HeapCount> cumulative;
};

struct LegacyHeapLimits {
  // Of memory for stacks and values. A dump of 60,000 stacks takes 15 MB.
  std::size_t profile_bytes = std::size_t{256} << 20;
};

// One pass, one line in memory at a time. Throws std::runtime_error, with the line number, when the input is none of
// these formats, is cut short, or is larger than the limits.
LegacyHeap read_legacy_heap(std::istream& dump, const LegacyHeapLimits& limits = {});

}  // namespace plateau
