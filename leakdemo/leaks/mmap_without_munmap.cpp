#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <new>

#include "leakdemo/leaks/leak.hpp"

namespace plateau::leakdemo {
namespace {

constexpr std::size_t export_bytes = 65'536;

void* map_pages() {
  void* const pages = ::mmap(nullptr, export_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  return pages;
}

bool is_wanted(std::uint64_t i) {
  return i == 0;
}

class UnmappedNever final : public Service {
 public:
  // The fault: who does not want the export leaves before it is unmapped.
  [[gnu::noinline]] void write_export(std::uint64_t i) {
    void* const pages = map_pages();
    std::memset(pages, static_cast<int>(i), export_bytes);
    if (!is_wanted(i)) return;
    ::munmap(pages, export_bytes);
  }
  void operate(std::uint64_t i) override { write_export(i); }
};

// The repair: an owner unmaps on every way out.
class ExportPages {
 public:
  ExportPages() : pages_(map_pages()) {}
  ~ExportPages() { ::munmap(pages_, export_bytes); }
  ExportPages(const ExportPages&) = delete;
  ExportPages& operator=(const ExportPages&) = delete;
  void* get() const { return pages_; }

 private:
  void* const pages_;
};

class UnmappedAlways final : public Service {
 public:
  [[gnu::noinline]] void write_export(std::uint64_t i) {
    const ExportPages pages;
    std::memset(pages.get(), static_cast<int>(i), export_bytes);
    written_ += is_wanted(i) ? 1 : 0;
  }
  void operate(std::uint64_t i) override { write_export(i); }

 private:
  std::uint64_t written_ = 0;
};

}  // namespace

constinit const Leak mmap_without_munmap{
    .name = "mmap_without_munmap",
    .sentence = "an export is written into mapped pages, and an early return leaves them mapped",
    .kind = LeakKind::outside_heap,
    .place = {"::write_export"},
    .operations = 256,
    .bytes_per_operation = export_bytes,
    .make = fault_or_repair<UnmappedNever, UnmappedAlways>,
};

}  // namespace plateau::leakdemo
