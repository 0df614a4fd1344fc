#include "labs/harness/measure/bench_pairs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "labs/harness/measure/statistics.hpp"

namespace plateau::harness {
namespace {

constexpr const char* calls_counter = "heap_calls/op";
constexpr const char* bytes_counter = "heap_bytes/op";

// Google Benchmark runs one more, untimed round for it, and writes allocs_per_iter and max_bytes_used into its JSON.
class CountingMemoryManager final : public benchmark::MemoryManager {
 public:
  void Start() override { start_ = allocation_counts(); }
  void Stop(Result* result) override {
    const AllocationCounts now = allocation_counts();
    result->num_allocs = static_cast<std::int64_t>(now.calls - start_.calls);
    result->total_allocated_bytes = static_cast<std::int64_t>(now.bytes - start_.bytes);
    result->net_heap_growth =
        static_cast<std::int64_t>(now.live_bytes()) - static_cast<std::int64_t>(start_.live_bytes());
  }

 private:
  AllocationCounts start_;
};

struct Case {
  std::vector<double> nanoseconds;
  double calls = 0;
  double bytes = 0;
};

// Keeps all runs and prints one line a pair at the end.
class PairReporter final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override {
    fmt::print(
        "Caveats: one thread, warm caches, one order repeated; what a day does is shown by the lab. Times are medians "
        "of\n"
        "interleaved repetitions on a machine that others share: read the ratios. Heap calls and bytes are exact.\n");
    return true;
  }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration || run.error_occurred) continue;
      const std::string& name = run.run_name.function_name;
      const auto slash = name.find('/');
      if (slash == std::string::npos) continue;
      const std::string fix = name.substr(0, slash);
      if (std::find(order_.begin(), order_.end(), fix) == order_.end()) order_.push_back(fix);
      Case& one = cases_[name];
      one.nanoseconds.push_back(run.GetAdjustedRealTime());
      const auto counter = [&run](const char* key) {
        const auto found = run.counters.find(key);
        return found == run.counters.end() ? 0.0 : found->second.value;
      };
      one.calls = counter(calls_counter);
      one.bytes = counter(bytes_counter);
    }
  }

  void Finalize() override {
    fmt::print("\n{:<12} {:>12} {:>12} {:>8}   {:>11} {:>11}   {:>13} {:>13}\n", "fix", "before, ns", "after, ns",
               "ratio", "calls before", "calls after", "bytes before", "bytes after");
    for (const std::string& fix : order_) {
      const Case& before = cases_[fix + "/before"];
      const Case& after = cases_[fix + "/after"];
      const double slow = median(before.nanoseconds).value_or(0);
      const double fast = median(after.nanoseconds).value_or(0);
      if (slow == 0 || fast == 0) continue;
      fmt::print("{:<12} {:>12.0f} {:>12.0f} {:>7.1f}x   {:>11.2f} {:>11.2f}   {:>13.0f} {:>13.0f}\n", fix, slow, fast,
                 slow / fast, before.calls, after.calls, before.bytes, after.bytes);
    }
  }

 private:
  std::vector<std::string> order_;
  std::map<std::string, Case> cases_;
};

}  // namespace

HeapCallsPerOperation::HeapCallsPerOperation(benchmark::State& state)
    : state_(state), start_(thread_allocation_counts()) {}

HeapCallsPerOperation::~HeapCallsPerOperation() {
  const AllocationCounts now = thread_allocation_counts();
  const auto operations = static_cast<double>(state_.iterations());
  state_.counters[calls_counter] = static_cast<double>(now.calls - start_.calls) / operations;
  state_.counters[bytes_counter] = static_cast<double>(now.bytes - start_.bytes) / operations;
}

int run_bench_pairs(int argc, char** argv) {
  // Ours come first, so that the user's, which come later, win.
  std::vector<std::string> words{argv[0], "--benchmark_enable_random_interleaving=true", "--benchmark_repetitions=7",
                                 "--benchmark_min_time=0.05"};
  words.insert(words.end(), argv + 1, argv + argc);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
  CountingMemoryManager memory;
  benchmark::RegisterMemoryManager(&memory);
  PairReporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  benchmark::RegisterMemoryManager(nullptr);
  benchmark::Shutdown();
  return 0;
}

}  // namespace plateau::harness
