#include <cstdint>
#include <memory>

#include "allocators/jemalloc_arena.hpp"
#include "leakdemo/leaks/leak.hpp"

namespace plateau::leakdemo {
namespace {

constexpr std::size_t report_bytes = 262'144;

// A tenant's objects live in an arena of their own, so that they can be dropped whole.
[[gnu::noinline]] void fill_report(JemallocArena& arena, std::uint64_t i) {
  auto* const report = static_cast<char*>(arena.allocate(report_bytes));
  for (std::size_t at = 0; at < report_bytes; at += 1024) report[at] = static_cast<char>(i);
}

class DroppedTenants final : public Service {
 public:
  // The fault: release() gives up the handle, and with it the only way to drop the arena.
  [[gnu::noinline]] void report(std::uint64_t i) {
    auto arena = std::make_unique<JemallocArena>();
    fill_report(*arena, i);
    static_cast<void>(arena.release());
  }
  void operate(std::uint64_t i) override { report(i); }
};

class OwnedTenants final : public Service {
 public:
  // The repair: the handle ends, and every block dies with the arena.
  [[gnu::noinline]] void report(std::uint64_t i) {
    const auto arena = std::make_unique<JemallocArena>();
    fill_report(*arena, i);
  }
  void operate(std::uint64_t i) override { report(i); }
};

}  // namespace

constinit const Leak dropped_jemalloc_arena{
    .name = "dropped_jemalloc_arena",
    .sentence = "each report has an allocator instance of its own, whose handle is given up",
    .kind = LeakKind::unreachable,
    .place = {"Tenants::report", "fill_report"},
    .operations = 64,
    .bytes_per_operation = report_bytes,
    .library = "libjemalloc.so.2",
    .make = fault_or_repair<DroppedTenants, OwnedTenants>,
};

}  // namespace plateau::leakdemo
