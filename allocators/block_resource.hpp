// What memory resources of blocks of one size have in common.
#pragma once

#include <cstddef>
#include <memory>
#include <memory_resource>
#include <new>
#include <utility>

namespace plateau {

// `Derived` has allocate_block(), which may throw, and deallocate_block(block), which does not; both are called without
// virtual calls. As a std::pmr::memory_resource it serves requests of up to block_bytes() and its alignment; anything
// else is std::bad_alloc, since a pool that quietly passes it on hides a wrong size. Thread-safe if `Derived` is.
template <class Derived>
class BlockResource : public std::pmr::memory_resource {
 public:
  // A T in a block of its own. Throws std::bad_alloc when T is larger or more aligned than blocks are, and what T's
  // constructor throws (the block is free again then).
  template <class T, class... Arguments>
  T* create(Arguments&&... arguments) {
    if (sizeof(T) > block_bytes_ || alignof(T) > block_alignment_) throw std::bad_alloc();
    void* const block = derived().allocate_block();
    try {
      return ::new (block) T(std::forward<Arguments>(arguments)...);
    } catch (...) {
      derived().deallocate_block(block);
      throw;
    }
  }
  // Of an object that create() of this resource made; null does nothing.
  template <class T>
  void destroy(T* object) noexcept {
    if (object == nullptr) return;
    std::destroy_at(object);
    derived().deallocate_block(object);
  }

  std::size_t block_bytes() const { return block_bytes_; }

 protected:
  BlockResource() = default;
  ~BlockResource() override = default;

  // Set by the constructor of `Derived`.
  std::size_t block_bytes_ = 0;
  std::size_t block_alignment_ = 0;

 private:
  Derived& derived() { return static_cast<Derived&>(*this); }

  void* do_allocate(std::size_t bytes, std::size_t alignment) final {
    if (bytes > block_bytes_ || alignment > block_alignment_) throw std::bad_alloc();
    return derived().allocate_block();
  }
  void do_deallocate(void* block, std::size_t /*bytes*/, std::size_t /*alignment*/) final {
    derived().deallocate_block(block);
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept final { return this == &other; }
};

}  // namespace plateau
