// Makes any memory_resource usable from several threads, by one lock around each call.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <mutex>

namespace plateau {

// Thread-safe. For resources that are called seldom (blocks of arenas), where an uncontended lock costs nothing that
// counts.
class SynchronizedResource final : public std::pmr::memory_resource {
 public:
  // `upstream` must outlive this, and be used through it alone while threads run.
  explicit SynchronizedResource(std::pmr::memory_resource& upstream) : upstream_(upstream) {}

  // The lock, for reading upstream's statistics.
  std::mutex& mutex() const { return mutex_; }

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    const std::scoped_lock lock(mutex_);
    return upstream_.allocate(bytes, alignment);
  }
  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override {
    const std::scoped_lock lock(mutex_);
    upstream_.deallocate(block, bytes, alignment);
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  std::pmr::memory_resource& upstream_;
  mutable std::mutex mutex_;
};

}  // namespace plateau
