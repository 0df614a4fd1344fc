#include <cstdint>
#include <memory>
#include <vector>

#include "allocators/heap.hpp"
#include "leakdemo/leaks/leak.hpp"

namespace plateau::leakdemo {
namespace {

constexpr std::size_t row_bytes = 8192;
constexpr std::size_t rows = 2'048;

// A burst: all rows of a night's report at once, and then none.
[[gnu::noinline]] std::uint64_t write_report() {
  std::vector<std::unique_ptr<char[]>> report;
  for (std::size_t row = 0; row < rows; ++row) report.push_back(std::make_unique<char[]>(row_bytes));
  return report.size();
}

class IdleAfterReport final : public Service {
 public:
  // The fault: the pages are free, and the allocator keeps them for a next burst: it gives back when it is used.
  void operate(std::uint64_t /*i*/) override { written_ += write_report(); }

 private:
  std::uint64_t written_ = 0;
};

class PurgedAfterReport final : public Service {
 public:
  // The repair: who knows that the burst is over says so.
  void operate(std::uint64_t /*i*/) override {
    written_ += write_report();
    Heap::process().purge();
  }

 private:
  std::uint64_t written_ = 0;
};

}  // namespace

constinit const Leak idle_pages{
    .name = "idle_pages",
    .sentence = "after a burst everything is freed, and an idle allocator keeps the pages",
    .kind = LeakKind::no_leak,
    .place = {"dirty pages"},
    .operations = 1,
    .bytes_per_operation = row_bytes * rows,
    .library = "libjemalloc.so.2",
    .make = fault_or_repair<IdleAfterReport, PurgedAfterReport>,
};

}  // namespace plateau::leakdemo
