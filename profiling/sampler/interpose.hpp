// What every interposed function does. Cost on the way in: a subtraction and a branch on the thread's own state; on the
// way out: one load.
#pragma once

#include <cstddef>

#include "profiling/sampler/next_allocator.hpp"
#include "profiling/sampler/recorder.hpp"

namespace plateau::sampler {

// Out of line: a point may fall into this one.
template <class Take>
[[gnu::noinline]] void* allocate_slowly(Take take, std::size_t bytes, const void* caller) noexcept {
  void* const block = take();
  recorder.on_allocation(block, bytes, caller);
  return block;
}

// Inlined into the function that the program calls, whose return address is where the recorded stack begins.
template <class Take>
[[gnu::always_inline]] inline void* allocate(Take take, std::size_t bytes) noexcept {
  if (thread_state.passes(bytes)) [[likely]]
    return take();
  return allocate_slowly(take, bytes, __builtin_return_address(0));
}

[[gnu::noinline]] inline void release_slowly(void* block) noexcept {
  if (in_bootstrap_reserve(block)) return;
  if (const auto record = recorder.take(block)) recorder.count_freed(*record);
  next.free(block);
}

[[gnu::always_inline]] inline void release(void* block) noexcept {
  if (!recorder.may_hold(block)) [[likely]]
    return next.free(block);
  release_slowly(block);
}

}  // namespace plateau::sampler
