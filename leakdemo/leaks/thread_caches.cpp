#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "allocators/heap.hpp"
#include "leakdemo/leaks/leak.hpp"
#include "leakdemo/leaks/parked_thread.hpp"

namespace plateau::leakdemo {
namespace {

// As many of each as jemalloc keeps for a thread.
constexpr std::array<std::size_t, 5> sizes{16'384, 20'480, 24'576, 28'672, 32'768};
constexpr std::size_t blocks_of_a_size = 20;
constexpr std::uint64_t burst_bytes = (16'384 + 20'480 + 24'576 + 28'672 + 32'768) * blocks_of_a_size;

[[gnu::noinline]] void answer_a_burst() {
  std::vector<std::unique_ptr<char[]>> blocks;
  for (const std::size_t size : sizes) {
    for (std::size_t i = 0; i < blocks_of_a_size; ++i) blocks.push_back(std::make_unique<char[]>(size));
  }
}

class FullCaches final : public Service {
 public:
  // The fault: each thread of the pool frees its burst into a cache of its own, and then has nothing to do.
  void operate(std::uint64_t /*i*/) override { pool_.emplace_back(answer_a_burst); }

 private:
  std::list<ParkedThread> pool_;
};

class FlushedCaches final : public Service {
 public:
  // The repair: who waits for work empties its cache first.
  void operate(std::uint64_t /*i*/) override {
    pool_.emplace_back([] {
      answer_a_burst();
      Heap::process().flush_thread_cache();
      Heap::process().purge();
    });
  }

 private:
  std::list<ParkedThread> pool_;
};

}  // namespace

constinit const Leak thread_caches{
    .name = "thread_caches",
    .sentence = "every thread of a pool frees a burst into its cache, and goes to sleep with it",
    .kind = LeakKind::no_leak,
    .place = {"thread caches"},
    .operations = 24,
    .bytes_per_operation = burst_bytes,
    .library = "libjemalloc.so.2",
    .make = fault_or_repair<FullCaches, FlushedCaches>,
};

}  // namespace plateau::leakdemo
