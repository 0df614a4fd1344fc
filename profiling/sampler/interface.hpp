// What libplateau_sampler.so shows to the rest of the process: C functions behind one symbol, looked up at run time, so
// that neither side has to be linked with the other.
#pragma once

#include <cstddef>
#include <cstdint>

namespace plateau::sampler {

struct SamplerCounts {
  std::uint64_t period_bytes = 0;
  std::uint64_t recorded = 0;       // blocks, since the start
  std::uint64_t live = 0;           // of those
  std::uint64_t blocks_lost = 0;    // not in the in-use figures: the table of live blocks was full
  std::uint64_t bytes_lost = 0;     // that those stand for
  std::uint64_t stacks_lost = 0;    // recorded under the empty stack: the table of stacks was full
  std::uint64_t ignored_bytes = 0;  // live, of threads that are left out, about
  std::uint64_t frees_unseen = 0;   // recorded blocks freed by another way than free and operator delete
  bool active = false;
};

// Estimates for one stack.
struct SampledStack {
  const std::uintptr_t* frames = nullptr;  // leaf first, return addresses
  std::size_t depth = 0;
  double allocated_objects = 0;  // since the start
  double allocated_bytes = 0;
  double in_use_objects = 0;
  double in_use_bytes = 0;
};

// A live block that was recorded.
struct SampledBlock {
  const void* block = nullptr;
  double bytes = 0;                        // its own
  double stands_for_bytes = 0;             // see poisson.hpp
  const std::uintptr_t* frames = nullptr;  // as of SampledStack
  std::size_t depth = 0;
  double stands_for_objects = 0;
  std::uint64_t born_ns = 0;  // by CLOCK_MONOTONIC
};

// Estimates for the freed blocks of one stack whose lifetimes are of one class (lifetimes.hpp).
struct SampledLife {
  const std::uintptr_t* frames = nullptr;  // as of SampledStack; none where the tables were full
  std::size_t depth = 0;
  std::size_t lifetime_class = 0;
  double objects = 0;
  double bytes = 0;
  double nanoseconds = 0;  // sum of the lifetimes
};

// Estimates for the blocks of one stack that one thread allocated and another freed.
struct SampledCrossing {
  const std::uintptr_t* frames = nullptr;  // as of SampledLife
  std::size_t depth = 0;
  std::uint32_t from = 0;  // the kernel's numbers of the threads
  std::uint32_t to = 0;
  double objects = 0;
  double bytes = 0;
};

// Estimates for the temporaries of one stack that are of one class (temporaries.hpp).
struct SampledTemporary {
  const std::uintptr_t* frames = nullptr;  // as of SampledLife
  std::size_t depth = 0;
  std::size_t temporary_class = 0;
  double objects = 0;
  double bytes = 0;
};

struct SamplerInterface {
  // const SamplerInterface* plateau_sampler_3(): the number changes with this struct, since the two sides may be of two
  // versions.
  static constexpr const char* symbol = "plateau_sampler_3";

  // Begins to record, or changes the period of what is recorded from now on.
  void (*start)(std::uint64_t period_bytes);
  void (*stop)();
  SamplerCounts (*counts)();
  // Visits every stack that has allocated, while the program goes on.
  void (*for_each_stack)(void (*visit)(void* context, const SampledStack& stack), void* context);
  // Visits the recorded blocks of at least so many bytes that are live, while the program goes on.
  void (*for_each_block)(std::size_t least_bytes, void (*visit)(void* context, const SampledBlock& block),
                         void* context);
  // Whether blocks of the calling thread are left out from now on; gives what was in force before.
  bool (*ignore_thread)(bool ignored);
  // Visit what was freed, while the program goes on.
  void (*for_each_life)(void (*visit)(void* context, const SampledLife& life), void* context);
  void (*for_each_crossing)(void (*visit)(void* context, const SampledCrossing& crossing), void* context);
  void (*for_each_temporary)(void (*visit)(void* context, const SampledTemporary& temporary), void* context);
};

}  // namespace plateau::sampler
