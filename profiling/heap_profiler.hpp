// The hooks by which a program writes heap profiles, on whichever allocator is loaded.
//
// jemalloc: needs prof:true in MALLOC_CONF at start; sampled; writes its own format (heap_v2), which
// profiling/legacy_heap.hpp turns into text that pprof reads.
// gperftools' tcmalloc: exact; writes the `heap profile:` text that pprof reads.
#pragma once

#include <string>

namespace plateau {

struct ProfileReply {
  bool done = false;
  std::string reason;  // one sentence when not done
};

class HeapProfiler {
 public:
  // Says whether profiles can be had here, and if not what to change.
  static ProfileReply available();

  // Begins to record. What was allocated before is in the profile only on jemalloc with prof:true from the start.
  // `prefix` is where gperftools puts dumps that it makes of its own accord. Not thread-safe.
  static ProfileReply start(const std::string& prefix);

  // Writes what is in use now (and, where the allocator records it, everything ever allocated) to `path`; the file is
  // complete or absent, never half-written. Thread-safe. Blocks allocation of other threads while the allocator dumps.
  static ProfileReply dump(const std::string& path);
};

}  // namespace plateau
