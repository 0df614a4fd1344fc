// operator new and delete of libplateau_sampler.so, for allocators that bring their own beside malloc.
//
// The forms that the C++ standard library forwards (new[] to new, sized delete to delete, ...) are forwarded here the
// same way and through the dynamic linker, so that a program's own replacement of one keeps its meaning.
#include <algorithm>
#include <cstddef>
#include <new>

#include "profiling/sampler/interpose.hpp"

using plateau::sampler::allocate;
using plateau::sampler::next;
using plateau::sampler::release;

namespace {

// As [new.delete.single] asks: on failure the new handler is called until it gives up. Alignment 0: malloc's own.
[[gnu::noinline]] void* retry_or_throw(std::size_t bytes, std::size_t alignment) {
  for (;;) {
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
    if (void* const block = alignment == 0 ? next.malloc(bytes) : next.aligned_alloc(alignment, bytes)) return block;
  }
}

}  // namespace

#pragma GCC visibility push(default)

void* operator new(std::size_t bytes) {
  void* const block = allocate([bytes] { return next.malloc(bytes); }, bytes);
  return block != nullptr ? block : retry_or_throw(bytes, 0);
}

void* operator new(std::size_t bytes, std::align_val_t alignment) {
  const auto align = std::max(static_cast<std::size_t>(alignment), sizeof(void*));
  const std::size_t rounded = (bytes + align - 1) / align * align;  // aligned_alloc asks for a multiple
  void* const block = rounded < bytes ? nullptr : allocate([=] { return next.aligned_alloc(align, rounded); }, bytes);
  return block != nullptr ? block : retry_or_throw(rounded < bytes ? bytes : rounded, align);
}

void* operator new[](std::size_t bytes) {
  return operator new(bytes);
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return operator new(bytes, alignment);
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return operator new(bytes);
  } catch (...) {
    return nullptr;
  }
}
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  try {
    return operator new(bytes, alignment);
  } catch (...) {
    return nullptr;
  }
}
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return operator new[](bytes);
  } catch (...) {
    return nullptr;
  }
}
void* operator new[](std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  try {
    return operator new[](bytes, alignment);
  } catch (...) {
    return nullptr;
  }
}

void operator delete(void* block) noexcept {
  release(block);
}
void operator delete(void* block, std::align_val_t) noexcept {
  release(block);
}
void operator delete[](void* block) noexcept {
  operator delete(block);
}
void operator delete[](void* block, std::align_val_t alignment) noexcept {
  operator delete(block, alignment);
}
void operator delete(void* block, std::size_t) noexcept {
  operator delete(block);
}
void operator delete[](void* block, std::size_t) noexcept {
  operator delete[](block);
}
void operator delete(void* block, std::size_t, std::align_val_t alignment) noexcept {
  operator delete(block, alignment);
}
void operator delete[](void* block, std::size_t, std::align_val_t alignment) noexcept {
  operator delete[](block, alignment);
}
void operator delete(void* block, const std::nothrow_t&) noexcept {
  operator delete(block);
}
void operator delete[](void* block, const std::nothrow_t&) noexcept {
  operator delete[](block);
}
void operator delete(void* block, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  operator delete(block, alignment);
}
void operator delete[](void* block, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  operator delete[](block, alignment);
}

#pragma GCC visibility pop
