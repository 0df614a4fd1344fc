#include "profiling/host/memory_reserve.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <new>

namespace plateau {

MemoryReserve::MemoryReserve(std::size_t bytes) : bytes_(bytes) {
  if (bytes_ == 0) return;
  memory_ = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory_ == MAP_FAILED) throw std::bad_alloc();
}

MemoryReserve::~MemoryReserve() {
  if (memory_ != nullptr) ::munmap(memory_, bytes_);
}

void MemoryReserve::release() noexcept {
  if (memory_ != nullptr) ::madvise(memory_, bytes_, MADV_DONTNEED);
}

void MemoryReserve::refill() noexcept {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  for (std::size_t at = 0; at < bytes_; at += page) static_cast<volatile char*>(memory_)[at] = 1;
}

}  // namespace plateau
