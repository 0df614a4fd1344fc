#include "profiling/host/unlocked_pages.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace plateau {
namespace {

constexpr std::size_t page_bytes = 4096;

}  // namespace

void* map_unlocked_pages(std::size_t bytes) noexcept {
  const int saved_errno = errno;
  // Inaccessible at first: what mlockall() has asked for new mappings cannot make such pages resident.
  const long mapped =
      ::syscall(SYS_mmap, nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0L);
  void* pages = mapped == -1 ? nullptr : reinterpret_cast<void*>(mapped);
  if (pages != nullptr) {
    ::syscall(SYS_munlock, pages, bytes);  // fails where nothing is locked, and where a sandbox forbids it
    if (::syscall(SYS_mprotect, pages, bytes, PROT_READ | PROT_WRITE) != 0) {
      unmap_pages(pages, bytes);
      pages = nullptr;
    }
  }
  errno = saved_errno;
  return pages;
}

void unmap_pages(void* pages, std::size_t bytes) noexcept {
  const int saved_errno = errno;
  ::syscall(SYS_munmap, pages, bytes);
  errno = saved_errno;
}

bool guard_page(void* page) noexcept {
  const int saved_errno = errno;
  const bool done = ::syscall(SYS_mprotect, page, page_bytes, PROT_NONE) == 0;
  errno = saved_errno;
  return done;
}

}  // namespace plateau
