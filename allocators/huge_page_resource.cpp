#include "allocators/huge_page_resource.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <fstream>
#include <new>
#include <stdexcept>
#include <string>

namespace plateau {
namespace {

constexpr const char* setting_file = "/sys/kernel/mm/transparent_hugepage/enabled";

std::size_t mapping_bytes(std::size_t bytes) {
  constexpr std::size_t page = HugePageResource::page_bytes;
  if (bytes > SIZE_MAX - 2 * page) throw std::bad_alloc();
  return bytes == 0 ? page : (bytes + page - 1) / page * page;
}

}  // namespace

HugePageResource::HugePageResource() {
  std::ifstream file(setting_file);
  std::string setting;
  std::getline(file, setting);
  if (setting.empty())
    throw std::runtime_error("this kernel has no transparent huge pages (no " + std::string(setting_file) + ")");
  if (setting.find("[never]") != std::string::npos) {
    throw std::runtime_error("transparent huge pages are off: write madvise to " + std::string(setting_file));
  }
}

void* HugePageResource::do_allocate(std::size_t bytes, std::size_t alignment) {
  if (alignment > page_bytes) throw std::bad_alloc();
  // Mapped one page too long, so that an aligned part can be kept and the ends given back.
  const std::size_t wanted = mapping_bytes(bytes);
  void* const mapped = ::mmap(nullptr, wanted + page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  auto* const begin = static_cast<std::byte*>(mapped);
  const std::size_t front = (0 - reinterpret_cast<std::uintptr_t>(begin)) & (page_bytes - 1);
  if (front > 0) ::munmap(begin, front);
  if (front < page_bytes) ::munmap(begin + front + wanted, page_bytes - front);
  if (::madvise(begin + front, wanted, MADV_HUGEPAGE) != 0) {
    ::munmap(begin + front, wanted);
    throw std::bad_alloc();
  }
  return begin + front;
}

void HugePageResource::do_deallocate(void* block, std::size_t bytes, std::size_t /*alignment*/) {
  ::munmap(block, mapping_bytes(bytes));
}

bool HugePageResource::do_is_equal(const std::pmr::memory_resource& other) const noexcept {
  return dynamic_cast<const HugePageResource*>(&other) != nullptr;
}

}  // namespace plateau
