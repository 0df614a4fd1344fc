// Memory in pages straight from the kernel: an upstream whose memory is gone from RSS the moment it is given back, and
// that can ask for transparent huge pages.
//
//     PageResource pages;
//     Pool pool({.block_bytes = 256}, &pages);         // slabs without a live block leave the process
//
//     PageResource huge(PageSize::huge);
//     Arena arena({.block_bytes = huge_page_bytes, .max_block_bytes = 32 << 20}, &huge);   // few TLB entries
#pragma once

#include <cstddef>
#include <memory_resource>

namespace plateau {

inline constexpr std::size_t huge_page_bytes = std::size_t{2} << 20;  // x86-64, and AArch64 with 4 KiB pages

enum class PageSize { base, huge };

// Thread-safe and stateless. Every request is a mapping of its own, rounded up to whole pages, and for PageSize::huge
// aligned to huge ones with madvise(MADV_HUGEPAGE): meant for slabs and blocks, not for objects. Two to four system
// calls each way, and page faults at first use.
class PageResource final : public std::pmr::memory_resource {
 public:
  // Throws std::runtime_error, with the reason, where huge pages are asked for and the kernel gives none on request.
  explicit PageResource(PageSize page_size = PageSize::base);

 private:
  // Throws std::bad_alloc for more than the kernel maps.
  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override;
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override;

  bool huge_;
  std::size_t page_bytes_;
};

}  // namespace plateau
