#include <malloc.h>

#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "leakdemo/leaks/leak.hpp"
#include "leakdemo/leaks/parked_thread.hpp"

namespace plateau::leakdemo {
namespace {

constexpr std::size_t row_bytes = 1'000;
constexpr std::size_t rows = 4'096;

// Its last, small block stays, and so what is free below it.
[[gnu::noinline]] void index_documents(std::unique_ptr<char[]>& kept) {
  std::vector<std::unique_ptr<char[]>> index;
  for (std::size_t i = 0; i < rows; ++i) index.push_back(std::make_unique<char[]>(row_bytes));
  kept = std::make_unique<char[]>(2 * row_bytes);
}

template <bool trims>
class Indexer final : public Service {
 public:
  void operate(std::uint64_t /*i*/) override {
    kept_.emplace_back();
    pool_.emplace_back([&kept = kept_.back()] {
      index_documents(kept);
      if (trims) ::malloc_trim(0);
    });
  }

 private:
  std::list<std::unique_ptr<char[]>> kept_;
  std::list<ParkedThread> pool_;
};

// The fault: each thread has an arena of its own, in which its peak stays free for nobody else.
using ArenaForEachThread = Indexer<false>;

// The repair: who knows that a peak is over has it trimmed. Without a rebuild, fewer peaks stay: MALLOC_ARENA_MAX=2.
using TrimmedArenas = Indexer<true>;

}  // namespace

constinit const Leak glibc_arenas{
    .name = "glibc_arenas",
    .sentence = "pool threads have their peaks in turn, each in a glibc arena of its own, which keeps it",
    .kind = LeakKind::no_leak,
    .place = {"free blocks"},
    .operations = 10,
    .bytes_per_operation = row_bytes * rows,
    .make = fault_or_repair<ArenaForEachThread, TrimmedArenas>,
};

}  // namespace plateau::leakdemo
