// The hooks by which a program takes heap profiles, on whichever allocator is loaded.
//
// jemalloc: needs prof:true in MALLOC_CONF at start; sampled. With prof_accum:true the cumulative columns are recorded.
// gperftools' tcmalloc (libtcmalloc.so): exact from start() on; or sampled, with TCMALLOC_SAMPLE_PARAMETER=524288 set
// before the program starts.
// Any allocator whose own profiler cannot serve (glibc and mimalloc have none): sampled, with libplateau_sampler.so in
// LD_PRELOAD; see profiling/heap_sampler.hpp.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "allocators/reply.hpp"
#include "profiling/profile.hpp"

namespace plateau {

class Symbolizer;

using ProfileReply = Reply<std::string>;

struct HeapSnapshot {
  std::optional<Profile> profile;
  std::string reason;  // one sentence when there is none
};

class HeapProfiler {
 public:
  // Says whether profiles can be had here, and if not what to change.
  static ProfileReply available();

  // Whether allocations are being recorded, as the profiler itself says.
  static bool active();

  // Begins to record. What was allocated before is in the profile only on jemalloc with prof:true,prof_active:true from
  // the start. `prefix` is where gperftools puts dumps that it makes of its own accord. Not thread-safe.
  static ProfileReply start(const std::string& prefix);

  // Records no more allocations; frees of recorded blocks still count on jemalloc. Not thread-safe.
  static ProfileReply stop();

  // What is in use now and, where the allocator records it, everything ever allocated: four sample types, unsampled,
  // with this process's mappings and the time. Thread-safe. Other threads wait, when they allocate, for as long as the
  // allocator dumps into memory, and not while the dump is read. Needs memory for the dump and twice the profile.
  static HeapSnapshot snapshot();

  // Where the heap took address space from the kernel (gperftools only).
  static HeapSnapshot growth();

  // Writes snapshot() to `path` as pprof reads it (gzipped profile.proto); the file is complete or absent, never
  // half-written. Without `symbolizer` it has addresses only. `comments` are added to its own.
  static ProfileReply dump(const std::string& path, Symbolizer* symbolizer,
                           const std::vector<std::string>& comments = {});

  // The same in the allocator's own text, which heap2pprof converts. The cheapest: nothing is read or symbolised.
  static ProfileReply dump_raw(const std::string& path);

  // Leaves out of the profile what the calling thread allocates from now on: for threads that serve profiles. jemalloc
  // and the sampler can; otherwise it has no effect.
  static void exclude_this_thread();
};

}  // namespace plateau
