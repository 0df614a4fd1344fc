#include "profiling/host/unlocked_pages.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>

namespace plateau {
namespace {

constexpr std::size_t page_bytes = 4096;

// What is mapped now; a place is free while its start is 0. One too many is not listed.
class List {
 public:
  constexpr List() = default;

  void add(std::uintptr_t start, std::size_t bytes) noexcept {
    for (Place& place : places_) {
      std::uintptr_t nobody = 0;
      if (place.start.load(std::memory_order_relaxed) != 0 || !place.start.compare_exchange_strong(nobody, start))
        continue;
      place.bytes.store(bytes, std::memory_order_release);
      return;
    }
  }

  void remove(std::uintptr_t start) noexcept {
    for (Place& place : places_) {
      if (place.start.load(std::memory_order_relaxed) != start) continue;
      place.bytes.store(0, std::memory_order_relaxed);
      place.start.store(0, std::memory_order_release);
      return;
    }
  }

  std::size_t copy(UnlockedPages* pages, std::size_t capacity) const noexcept {
    std::size_t count = 0;
    for (const Place& place : places_) {
      const std::uintptr_t start = place.start.load(std::memory_order_acquire);
      const std::size_t bytes = place.bytes.load(std::memory_order_acquire);
      if (start == 0 || bytes == 0) continue;
      if (count < capacity) pages[count] = {start, bytes};
      ++count;
    }
    return count;
  }

 private:
  struct Place {
    std::atomic<std::uintptr_t> start{0};
    std::atomic<std::size_t> bytes{0};
  };
  std::array<Place, 1024> places_{};
};

constinit List own_pages;
constinit List own_files;

void* map_unlocked(std::size_t bytes, long protection, long flags, long file, List& list) noexcept {
  const int saved_errno = errno;
  // Inaccessible at first: what mlockall() has asked for new mappings cannot make such pages resident.
  const long mapped = ::syscall(SYS_mmap, nullptr, bytes, PROT_NONE, flags, file, 0L);
  void* pages = mapped == -1 ? nullptr : reinterpret_cast<void*>(mapped);
  if (pages != nullptr) {
    ::syscall(SYS_munlock, pages, bytes);  // fails where nothing is locked, and where a sandbox forbids it
    if (::syscall(SYS_mprotect, pages, bytes, protection) != 0) {
      ::syscall(SYS_munmap, pages, bytes);
      pages = nullptr;
    }
  }
  if (pages != nullptr) list.add(reinterpret_cast<std::uintptr_t>(pages), bytes);
  errno = saved_errno;
  return pages;
}

void unmap(void* pages, std::size_t bytes, List& list) noexcept {
  const int saved_errno = errno;
  list.remove(reinterpret_cast<std::uintptr_t>(pages));
  ::syscall(SYS_munmap, pages, bytes);
  errno = saved_errno;
}

}  // namespace

void* map_unlocked_pages(std::size_t bytes) noexcept {
  return map_unlocked(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, own_pages);
}

void unmap_pages(void* pages, std::size_t bytes) noexcept {
  unmap(pages, bytes, own_pages);
}

std::size_t unlocked_pages(UnlockedPages* pages, std::size_t capacity) noexcept {
  return own_pages.copy(pages, capacity);
}

void* map_unlocked_file(int file, std::size_t bytes) noexcept {
  return map_unlocked(bytes, PROT_READ, MAP_PRIVATE, file, own_files);
}

void unmap_file(void* pages, std::size_t bytes) noexcept {
  unmap(pages, bytes, own_files);
}

std::size_t unlocked_files(UnlockedPages* files, std::size_t capacity) noexcept {
  return own_files.copy(files, capacity);
}

bool guard_page(void* page) noexcept {
  const int saved_errno = errno;
  const bool done = ::syscall(SYS_mprotect, page, page_bytes, PROT_NONE) == 0;
  errno = saved_errno;
  return done;
}

}  // namespace plateau
