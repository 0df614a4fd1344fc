// Heap profiles in the text formats that allocators write:
//
//   jemalloc     heap_v2/<period>                    prof.dump; sampled
//   gperftools   heap profile: … @ heapprofile       its heap profiler; exact
//   tcmalloc     heap profile: … @ heap_v2/<period>, heapz_v2/<period>, heap/<2 x period>     sampled
//   tcmalloc     heap profile: … @ growth, growthz, fragmentationz     exact
//   Go           heap profile: … @ heap/<2 x period>                   its debug=1, names in comments; sampled
//   jeprof --raw, ClickHouse     --- symbol … ---, --- heap, then one of these
//
// Whatever of it was odd (lines before the header, counts without objects, no mappings, …) is read all the same, and
// noted.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "profiling/heap_profile.hpp"
#include "profiling/name_style.hpp"
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
  // Sentences on what was odd about the text; comments of the profile too.
  std::vector<std::string> notes;
};

// Begins a line behind the mappings that is a comment of the profile; other readers skip it.
inline constexpr std::string_view legacy_heap_comment = "# plateau: ";

struct LegacyHeapLimits {
  // Of memory for stacks and values. A dump of 60,000 stacks takes 15 MB.
  std::size_t profile_bytes = std::size_t{256} << 20;
};

struct LegacyHeapOptions {
  LegacyHeapLimits limits = {};
  bool is_partial = false;             // read what is there of a text that is cut short, and note it
  NameStyle names = NameStyle::brief;  // for symbols that lie in the text
};

// One pass, one line in memory at a time. Throws std::runtime_error, with the line number, when the input is none of
// these formats (and says which it is), when figures would be wrong (it is cut short, rows cannot be read), or when it
// is larger than the limits.
LegacyHeap read_legacy_heap(std::istream& dump, const LegacyHeapOptions& options);
LegacyHeap read_legacy_heap(std::istream& dump, const LegacyHeapLimits& limits = {});

}  // namespace plateau
