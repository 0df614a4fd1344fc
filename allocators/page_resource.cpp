#include "allocators/page_resource.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <new>
#include <stdexcept>
#include <string>

namespace plateau {
namespace {

constexpr const char* setting_file = "/sys/kernel/mm/transparent_hugepage/enabled";

void require_huge_pages() {
  std::ifstream file(setting_file);
  std::string setting;
  std::getline(file, setting);
  if (setting.empty()) {
    throw std::runtime_error("this kernel has no transparent huge pages (no " + std::string(setting_file) + ")");
  }
  if (setting.find("[never]") != std::string::npos) {
    throw std::runtime_error("transparent huge pages are off: write madvise to " + std::string(setting_file));
  }
}

std::size_t round_up(std::size_t bytes, std::size_t page) {
  if (bytes > SIZE_MAX / 2) throw std::bad_alloc();
  return std::max(bytes + page - 1, page) / page * page;
}

}  // namespace

PageResource::PageResource(PageSize page_size) : huge_(page_size == PageSize::huge) {
  if (huge_) require_huge_pages();
  page_bytes_ = huge_ ? huge_page_bytes : static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

void* PageResource::do_allocate(std::size_t bytes, std::size_t alignment) {
  const std::size_t wanted = round_up(bytes, page_bytes_);
  const std::size_t aligned_to = std::max(alignment, page_bytes_);
  if (aligned_to > SIZE_MAX / 2 - wanted) throw std::bad_alloc();
  // Mapped too long where the kernel's own alignment may not do, so that an aligned part can be kept and the ends given
  // back.
  const auto base_page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t extra = aligned_to - base_page;
  void* const mapped = ::mmap(nullptr, wanted + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  auto* const begin = static_cast<std::byte*>(mapped);
  const std::size_t front = (0 - reinterpret_cast<std::uintptr_t>(begin)) & (aligned_to - 1);
  if (front > 0) ::munmap(begin, front);
  if (front < extra) ::munmap(begin + front + wanted, extra - front);
  if (huge_ && ::madvise(begin + front, wanted, MADV_HUGEPAGE) != 0) {
    ::munmap(begin + front, wanted);
    throw std::bad_alloc();
  }
  return begin + front;
}

void PageResource::do_deallocate(void* block, std::size_t bytes, std::size_t /*alignment*/) {
  ::munmap(block, round_up(bytes, page_bytes_));
}

bool PageResource::do_is_equal(const std::pmr::memory_resource& other) const noexcept {
  const auto* const pages = dynamic_cast<const PageResource*>(&other);
  return pages != nullptr && pages->page_bytes_ == page_bytes_;
}

}  // namespace plateau
