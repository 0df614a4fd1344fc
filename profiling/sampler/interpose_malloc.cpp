// malloc and its kin of libplateau_sampler.so.
#include <errno.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "profiling/sampler/interpose.hpp"

namespace plateau::sampler {
namespace {

// The old block's record is taken out before another thread can be given its address.
[[gnu::noinline]] void* reallocate_slowly(void* old, std::size_t bytes, const void* caller) noexcept {
  if (old != nullptr && in_bootstrap_reserve(old)) {
    void* const moved = next.malloc(bytes);
    if (moved != nullptr) std::memcpy(moved, old, std::min(bytes, bootstrap_readable_bytes(old)));
    return moved;
  }
  const auto record = recorder.may_hold(old) ? recorder.take(old) : std::nullopt;
  void* const block = next.realloc(old, bytes);
  if (block == nullptr && bytes != 0) {
    if (record) recorder.keep(old, *record);
    return nullptr;
  }
  if (record) recorder.count_freed(*record);
  if (block != nullptr && !thread_state.passes(bytes)) recorder.on_allocation(block, bytes, caller);
  return block;
}

// To the profile a block that is resized is a new one.
[[gnu::always_inline]] inline void* reallocate(void* old, std::size_t bytes) noexcept {
  if (!recorder.may_hold(old) && thread_state.passes(bytes)) [[likely]]
    return next.realloc(old, bytes);
  return reallocate_slowly(old, bytes, __builtin_return_address(0));
}

}  // namespace
}  // namespace plateau::sampler

extern "C" {
#pragma GCC visibility push(default)

using plateau::sampler::allocate;
using plateau::sampler::next;
using plateau::sampler::reallocate;
using plateau::sampler::release;

void* malloc(std::size_t bytes) noexcept {
  return allocate([bytes] { return next.malloc(bytes); }, bytes);
}

void* calloc(std::size_t count, std::size_t bytes) noexcept {
  std::size_t total = 0;
  if (__builtin_mul_overflow(count, bytes, &total)) return next.calloc(count, bytes);  // it knows how to fail
  return allocate([count, bytes] { return next.calloc(count, bytes); }, total);
}

void* realloc(void* block, std::size_t bytes) noexcept {
  return reallocate(block, bytes);
}

void* reallocarray(void* block, std::size_t count, std::size_t bytes) noexcept {
  std::size_t total = 0;
  if (__builtin_mul_overflow(count, bytes, &total)) {
    errno = ENOMEM;
    return nullptr;
  }
  return reallocate(block, total);
}

void free(void* block) noexcept {
  release(block);
}

int posix_memalign(void** block, std::size_t alignment, std::size_t bytes) noexcept {
  int error = 0;
  void* made = nullptr;
  allocate(
      [&] {
        error = next.posix_memalign(&made, alignment, bytes);
        return error == 0 ? made : nullptr;
      },
      bytes);
  if (error == 0) *block = made;
  return error;
}

void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  return allocate([=] { return next.aligned_alloc(alignment, bytes); }, bytes);
}

void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
  return allocate([=] { return next.memalign(alignment, bytes); }, bytes);
}

void* valloc(std::size_t bytes) noexcept {
  return allocate([=] { return next.valloc(bytes); }, bytes);
}

void* pvalloc(std::size_t bytes) noexcept {
  return allocate([=] { return next.pvalloc(bytes); }, bytes);
}

#pragma GCC visibility pop
}
