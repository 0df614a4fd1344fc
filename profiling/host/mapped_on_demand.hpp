// Zero-filled memory for one object, mapped when it is first needed: for tables of recorders, which may neither take
// memory of a program that they are only loaded into, nor allocate.
#pragma once

#include <atomic>
#include <cstddef>
#include <type_traits>

#include "profiling/host/unlocked_pages.hpp"

namespace plateau {

// `T` must be usable as zero bytes: counters, atomics, arrays of them. Thread-safe, lock-free, allocates nothing, and
// usable in signal handlers and in a child after fork. Its own initial state is zero bytes as well. The memory stays
// until release(): the destructor does nothing, since recorders run until the very end of a process.
template <class T>
class MappedOnDemand {
  static_assert(std::is_trivially_destructible_v<T>);

 public:
  constexpr MappedOnDemand() = default;
  MappedOnDemand(const MappedOnDemand&) = delete;
  MappedOnDemand& operator=(const MappedOnDemand&) = delete;

  // Null as long as nobody has called find_or_map(). One load.
  T* find() const noexcept { return object_.load(std::memory_order_acquire); }

  // Null when the kernel gives no memory: the next call tries again.
  T* find_or_map() noexcept {
    if (T* const there = find()) return there;
    void* const pages = map_unlocked_pages(sizeof(T));
    if (pages == nullptr) return nullptr;
    T* before = nullptr;
    if (object_.compare_exchange_strong(before, static_cast<T*>(pages), std::memory_order_acq_rel)) {
      return static_cast<T*>(pages);
    }
    unmap_pages(pages, sizeof(T));  // another thread was faster
    return before;
  }

  // Gives the memory back. Requires that no other thread uses it.
  void release() noexcept {
    if (T* const there = object_.exchange(nullptr, std::memory_order_acq_rel)) unmap_pages(there, sizeof(T));
  }

 private:
  std::atomic<T*> object_{nullptr};
};

}  // namespace plateau
