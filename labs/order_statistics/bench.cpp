// Before/after pairs as benchmarks, with heap calls and bytes per operation, on a store of 50,000 orders in the folder
// for temporary files. `make bench` prints them side by side. What `wal` buys is that nobody waits, which the lab
// itself measures; here is what a commit costs.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <string>

#include "labs/harness/measure/bench_pairs.hpp"
#include "labs/order_statistics/calendar.hpp"
#include "labs/order_statistics/desk.hpp"
#include "labs/order_statistics/store.hpp"
#include "labs/order_statistics/store_file.hpp"

namespace plateau::order_statistics {
namespace {

constexpr std::uint64_t rows = 50'000;
constexpr std::uint64_t note_bytes = 400;
constexpr std::uint64_t seed = 1;
constexpr Question everything{months - 1, false};
constexpr Question active{months - 1, true};
const std::atomic<bool> not_stopping{false};

// Built by whoever comes first; taken away at the end.
class BenchStore {
 public:
  BenchStore() {
    std::string name = std::filesystem::temp_directory_path() / "plateau-order-statistics-bench-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no folder for a store");
    folder_ = name;
    build_store(file(), seed, rows, note_bytes, [](double) {});
  }
  ~BenchStore() {
    std::error_code error;
    std::filesystem::remove_all(folder_, error);
  }
  BenchStore(const BenchStore&) = delete;
  BenchStore& operator=(const BenchStore&) = delete;
  std::string file() const { return folder_ / "store"; }

 private:
  std::filesystem::path folder_;
};

StoreUse use_with(const Fixes& fixes) {
  static const BenchStore store;
  StoreUse use{.file = store.file(), .seed = seed, .rows = rows, .fixes = fixes};
  make_ready(use);
  return use;
}

void query(benchmark::State& state, const Fixes& fixes, const Question& question) {
  Reader reader(use_with(fixes), not_stopping);
  reader.ask(question);
  const harness::HeapCallsPerOperation calls(state);
  for (auto _ : state) benchmark::DoNotOptimize(reader.ask(question).size());
}

void request(benchmark::State& state, const Fixes& fixes) {
  Reader reader(use_with(fixes), not_stopping);
  Desk desk(fixes, {.most_bytes = 1 << 20, .max_age = std::chrono::hours(1)});
  desk.answer(reader, everything);
  const harness::HeapCallsPerOperation calls(state);
  for (auto _ : state) benchmark::DoNotOptimize(desk.answer(reader, everything)->size());
}

void commit(benchmark::State& state, const Fixes& fixes) {
  Writer writer(use_with(fixes), note_bytes, not_stopping);
  std::uint64_t next = 0;
  const harness::HeapCallsPerOperation calls(state);
  for (auto _ : state) {
    const Order order = new_order(seed, rows, next++);
    writer.write({&order, 1});
  }
}

constexpr Fixes none{};
constexpr Fixes range{.range = true};

BENCHMARK_CAPTURE(query, index_before, range, everything)->Name("index/before");
BENCHMARK_CAPTURE(query, index_after, Fixes{.index = true, .range = true}, everything)->Name("index/after");
BENCHMARK_CAPTURE(query, partial_before, range, active)->Name("partial_index/before");
BENCHMARK_CAPTURE(query, partial_after, Fixes{.partial_index = true, .range = true}, active)
    ->Name("partial_index/after");
BENCHMARK_CAPTURE(query, covering_before, Fixes{.index = true, .range = true}, everything)
    ->Name("covering_index/before");
BENCHMARK_CAPTURE(query, covering_after, Fixes{.index = true, .covering_index = true, .range = true}, everything)
    ->Name("covering_index/after");
BENCHMARK_CAPTURE(query, range_before, Fixes{.covering_index = true}, everything)->Name("range/before");
BENCHMARK_CAPTURE(query, range_after, Fixes{.covering_index = true, .range = true}, everything)->Name("range/after");
BENCHMARK_CAPTURE(query, incremental_before, Fixes{.covering_index = true, .range = true}, everything)
    ->Name("incremental/before");
BENCHMARK_CAPTURE(query, incremental_after, Fixes{.covering_index = true, .range = true, .incremental = true},
                  everything)
    ->Name("incremental/after");
BENCHMARK_CAPTURE(query, stream_before, none, everything)->Name("stream/before");
BENCHMARK_CAPTURE(query, stream_after, Fixes{.stream = true}, everything)->Name("stream/after");
BENCHMARK_CAPTURE(request, local_cache_before, Fixes{.range = true, .incremental = true})->Name("local_cache/before");
BENCHMARK_CAPTURE(request, local_cache_after, Fixes{.range = true, .local_cache = true, .incremental = true})
    ->Name("local_cache/after");
BENCHMARK_CAPTURE(commit, wal_before, none)->Name("wal/before")->Iterations(20)->UseRealTime();
BENCHMARK_CAPTURE(commit, wal_after, Fixes{.wal = true})->Name("wal/after")->Iterations(20)->UseRealTime();

}  // namespace
}  // namespace plateau::order_statistics

int main(int argc, char** argv) {
  return plateau::harness::run_bench_pairs(argc, argv);
}
