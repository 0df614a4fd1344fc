// Memory that is resident before it is needed.
#pragma once

#include <cstddef>

namespace plateau {

// Not thread-safe.
class MemoryReserve {
 public:
  // Takes and touches so many bytes. Throws std::bad_alloc when they cannot be mapped.
  explicit MemoryReserve(std::size_t bytes);
  ~MemoryReserve();
  MemoryReserve(const MemoryReserve&) = delete;
  MemoryReserve& operator=(const MemoryReserve&) = delete;

  // Gives the pages to the kernel: there is room for as many others.
  void release() noexcept;
  // Touches them again.
  void refill() noexcept;

 private:
  const std::size_t bytes_;
  void* memory_ = nullptr;
};

}  // namespace plateau
