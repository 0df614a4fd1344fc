// Heap profiles on allocators that have no profiler of their own (glibc, mimalloc), and of programs whose allocator was
// not told to profile when it started: by libplateau_sampler.so, which stands in front of malloc.
//
//   LD_PRELOAD=libplateau_sampler.so ./program                    on glibc
//   LD_PRELOAD=libplateau_sampler.so:libmimalloc.so.2 ./program   on mimalloc; the sampler first
//   PLATEAU_SAMPLE_PERIOD=64KiB                                   bytes between two samples: 65536, 64KiB, 4k
//   PLATEAU_SAMPLE_PERIOD=0                                       from start() on only, instead of from the first block
//
// Poisson sampling by bytes (profiling/sampler/poisson.hpp): unbiased for any mixture of sizes. A resized block counts
// as a new one. Blocks that an allocator's own functions give (mallocx, mi_malloc, ...) are not seen. Memory: about
// 100 bytes a recorded block and 64 + 8 x depth a stack, in tables that grow by 64 KiB up to a fixed size; when a table
// is full the profile's comments say so, and by how much.
#pragma once

#include <cstdint>
#include <optional>

#include "profiling/heap_profiler.hpp"
#include "profiling/profile.hpp"
#include "profiling/sampler/interface.hpp"
#include "profiling/sampler/poisson.hpp"

namespace plateau {

using SamplerCounts = sampler::SamplerCounts;
using SampledStack = sampler::SampledStack;
using SampledBlock = sampler::SampledBlock;
using SampledLife = sampler::SampledLife;
using SampledCrossing = sampler::SampledCrossing;
using SampledTemporary = sampler::SampledTemporary;

class HeapSampler {
 public:
  static constexpr std::uint64_t default_period_bytes = sampler::default_period_bytes;

  // Says whether the sampler stands in front of this process's malloc, and if not what to change. Thread-safe.
  static ProfileReply available();

  // For a library in front of malloc that brings a sampler of its own, such as the agent: it is the one that is asked
  // from now on, unless there is one already or malloc goes another way. Gives whether it is.
  static bool use(const sampler::SamplerInterface& own);

  // Records from now on, once in so many bytes on average; 1 records every block. Blocks that are live already are not
  // in the profile. While it runs: changes the period. Thread-safe.
  static ProfileReply start(std::uint64_t period_bytes = default_period_bytes);
  // Records no more; what is recorded stays, and its frees are still seen. Thread-safe.
  static ProfileReply stop();

  // All four sample types of heap profiles, while the program goes on. Empty when not available. Thread-safe. What it
  // allocates itself is left out. Throws std::bad_alloc. Cost: some microseconds a thousand stacks.
  static std::optional<Profile> snapshot();

  // Zeros when not available. Thread-safe; allocates nothing.
  static SamplerCounts counts();

  // The estimates themselves. Nothing is visited when not available. Thread-safe; allocates nothing.
  static void for_each_stack(void (*visit)(void* context, const SampledStack& stack), void* context);

  // The recorded blocks of at least so many bytes that are live. Nothing is visited when not available. Thread-safe;
  // allocates nothing. A block may be freed while it is visited: its memory must not be read.
  static void for_each_block(std::size_t least_bytes, void (*visit)(void* context, const SampledBlock& block),
                             void* context);

  // What was freed since the sampler started: by lifetime, by threads where those are two, and what its own thread
  // freed soon. Nothing is visited when not available. Thread-safe; allocates nothing.
  static void for_each_life(void (*visit)(void* context, const SampledLife& life), void* context);
  static void for_each_crossing(void (*visit)(void* context, const SampledCrossing& crossing), void* context);
  static void for_each_temporary(void (*visit)(void* context, const SampledTemporary& temporary), void* context);

  // Sets whether blocks of the calling thread are left out; gives what was in force before. Allocates nothing.
  static bool ignore_this_thread(bool ignored);
};

// Leaves out what the calling thread allocates while it lives: for threads that observe the program.
class UnsampledScope {
 public:
  UnsampledScope() : before_(HeapSampler::ignore_this_thread(true)) {}
  ~UnsampledScope() { HeapSampler::ignore_this_thread(before_); }
  UnsampledScope(const UnsampledScope&) = delete;
  UnsampledScope& operator=(const UnsampledScope&) = delete;

 private:
  const bool before_;
};

}  // namespace plateau
