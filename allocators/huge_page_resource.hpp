// Memory in transparent huge pages, straight from the kernel: the upstream of an arena whose blocks should cost few TLB
// entries.
//
//     HugePageResource huge_pages;
//     Arena arena({.block_bytes = HugePageResource::page_bytes, .max_block_bytes = 32 << 20}, &huge_pages);
#pragma once

#include <cstddef>
#include <memory_resource>

namespace plateau {

// Thread-safe and stateless. Every request is a mapping of its own, rounded up to whole huge pages and aligned to them,
// with madvise(MADV_HUGEPAGE): meant for blocks of megabytes. Two or three system calls each way.
class HugePageResource final : public std::pmr::memory_resource {
 public:
  static constexpr std::size_t page_bytes = std::size_t{2} << 20;  // x86-64, and AArch64 with 4 KiB pages

  // Throws std::runtime_error, with the reason, where the kernel gives no transparent huge pages on request.
  HugePageResource();

 private:
  // Throws std::bad_alloc for more than the kernel maps, and for an alignment beyond a huge page.
  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override;
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override;
};

}  // namespace plateau
