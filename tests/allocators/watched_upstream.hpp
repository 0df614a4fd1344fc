// An upstream resource for tests: knows what it has handed out, and fails on demand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory_resource>
#include <mutex>
#include <new>
#include <stdexcept>

namespace plateau {

// Thread-safe.
class WatchedUpstream final : public std::pmr::memory_resource {
 public:
  std::size_t live_bytes = 0;
  std::size_t live_blocks = 0;
  std::size_t takes = 0;
  std::size_t fail_at = SIZE_MAX;  // the take with this number fails, counted from 0

  // Whether [begin, begin + bytes) lies within one block that is out now.
  bool holds(const void* begin, std::size_t bytes) const {
    const std::scoped_lock lock(mutex_);
    auto after = blocks_.upper_bound(reinterpret_cast<std::uintptr_t>(begin));
    if (after == blocks_.begin()) return false;
    const auto& [start, size] = *--after;
    return reinterpret_cast<std::uintptr_t>(begin) + bytes <= start + size;
  }

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    const std::scoped_lock lock(mutex_);
    if (takes++ == fail_at) throw std::bad_alloc();
    void* const block = std::pmr::new_delete_resource()->allocate(bytes, alignment);
    blocks_.emplace(reinterpret_cast<std::uintptr_t>(block), bytes);
    live_bytes += bytes;
    ++live_blocks;
    return block;
  }
  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override {
    const std::scoped_lock lock(mutex_);
    const auto found = blocks_.find(reinterpret_cast<std::uintptr_t>(block));
    if (found == blocks_.end() || found->second != bytes) std::terminate();  // not ours, or another size
    blocks_.erase(found);
    live_bytes -= bytes;
    --live_blocks;
    std::pmr::new_delete_resource()->deallocate(block, bytes, alignment);
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

  mutable std::mutex mutex_;
  std::map<std::uintptr_t, std::size_t> blocks_;
};

}  // namespace plateau
