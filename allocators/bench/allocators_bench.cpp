// `make bench-allocators`: the library against its peers and against the ideal, interleaved in one process.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include "allocators/bench/bench_case.hpp"
#include "allocators/bench/resident_bench.hpp"
#include "allocators/bench/targets.hpp"
#include "allocators/system/whole_file.hpp"

namespace plateau::bench {
namespace {

constexpr double mebibyte = 1 << 20;

struct Figures {
  std::vector<double> nanoseconds;  // an operation, one for each repetition
  double least() const { return *std::min_element(nanoseconds.begin(), nanoseconds.end()); }
  double median() const {
    std::vector<double> sorted = nanoseconds;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
};

// Gathers all repetitions of every case.
class Gatherer final : public benchmark::BenchmarkReporter {
 public:
  struct Case {
    std::string name;
    std::vector<std::string> contestants;
  };

  explicit Gatherer(bool progress) : progress_(progress) {}

  bool ReportContext(const Context&) override { return true; }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration || run.error_occurred) continue;
      const std::string& full = run.run_name.function_name;
      const auto slash = full.find('/');
      const auto items = run.counters.find("items_per_second");
      figures_[full].nanoseconds.push_back(items != run.counters.end() ? 1e9 / items->second.value
                                                                       : run.GetAdjustedRealTime());
      note(full.substr(0, slash), full.substr(slash + 1));
      if (progress_) fmt::print(stderr, "\r\033[K{} measurements, now {}", ++runs_, full);
    }
  }
  // Interleaving is random, so cases are put in order by name.
  void Finalize() override {
    if (progress_) fmt::print(stderr, "\r\033[K");
    std::sort(cases_.begin(), cases_.end(), [](const Case& a, const Case& b) { return a.name < b.name; });
  }

  const std::vector<Case>& cases() const { return cases_; }
  const Figures* find(const std::string& name, const std::string& contestant) const {
    const auto found = figures_.find(name + "/" + contestant);
    return found == figures_.end() ? nullptr : &found->second;
  }

 private:
  void note(const std::string& name, const std::string& contestant) {
    auto one = std::find_if(cases_.begin(), cases_.end(), [&](const Case& c) { return c.name == name; });
    if (one == cases_.end()) one = cases_.insert(cases_.end(), {name, {}});
    if (std::find(one->contestants.begin(), one->contestants.end(), contestant) == one->contestants.end()) {
      one->contestants.push_back(contestant);
    }
  }

  bool progress_;
  std::size_t runs_ = 0;
  std::vector<Case> cases_;
  std::map<std::string, Figures> figures_;
};

void print_caveats() {
  fmt::print(
      "Caveats: loops of one operation, warm caches, predicted branches: the cost at best, not in a service. An\n"
      "operation is one allocation, its first write, and its share of the free or the drop. Figures are the least of\n"
      "the interleaved repetitions (others share this machine and only ever add), with the median behind; read the\n"
      "ratios. Pools and arenas know sizes or lifetimes that malloc does not: a ratio to malloc is what that "
      "knowledge\n"
      "buys, not a fault of malloc. foonathan/memory is Debian's build, with its default checks.\n");
}

void print_case(const Gatherer& gathered, const Gatherer::Case& one, boost::json::array& json) {
  std::vector<std::string> contestants = one.contestants;
  std::sort(contestants.begin(), contestants.end(), [&](const std::string& a, const std::string& b) {
    return gathered.find(one.name, a)->least() < gathered.find(one.name, b)->least();
  });
  const double best = gathered.find(one.name, contestants.front())->least();
  fmt::print("\n{}\n  {:<44} {:>10} {:>10} {:>8}\n", one.name, "", "least, ns", "median", "x best");
  for (const std::string& contestant : contestants) {
    const Figures& figures = *gathered.find(one.name, contestant);
    fmt::print("  {:<44} {:>10.2f} {:>10.2f} {:>8.1f}\n", contestant, figures.least(), figures.median(),
               figures.least() / best);
    json.push_back({{"case", one.name},
                    {"contestant", contestant},
                    {"least_ns", figures.least()},
                    {"median_ns", figures.median()},
                    {"repetitions", figures.nanoseconds.size()}});
  }
}

void print_resident(const std::vector<ResidentResult>& results, boost::json::array& json) {
  fmt::print("\nresident after 64 MiB of 256 B blocks were freed in random order, MiB above the start\n");
  fmt::print("  {:<44} {:>10} {:>10} {:>10}\n", "", "all live", "freed", fmt::format("idle {} s", idle_seconds));
  for (const ResidentResult& r : results) {
    fmt::print("  {:<44} {:>10.1f} {:>10.1f} {:>10.1f}\n", r.contestant, static_cast<double>(r.peak_bytes) / mebibyte,
               static_cast<double>(r.freed_bytes) / mebibyte, static_cast<double>(r.idle_bytes) / mebibyte);
    json.push_back({{"contestant", r.contestant},
                    {"peak_bytes", r.peak_bytes},
                    {"freed_bytes", r.freed_bytes},
                    {"idle_bytes", r.idle_bytes}});
  }
}

bool print_targets(const std::vector<TargetRow>& rows, boost::json::array& json) {
  bool all = true;
  fmt::print("\n{:<100} {:>10} {:>12}\n", "target", "measured", "asked");
  for (const TargetRow& row : rows) {
    all = all && row.holds();
    fmt::print("{:<100} {:>10} {:>12}   {}{}\n", row.text, fmt::format("{:.2f}{}", row.measured, row.unit),
               fmt::format("{} {:g}{}", row.at_most ? "<=" : ">=", row.bound, row.unit),
               row.holds() ? "holds" : "FALLS SHORT", row.holds() || row.note.empty() ? "" : " (" + row.note + ")");
    json.push_back({{"target", row.text},
                    {"measured", row.measured},
                    {"bound", row.bound},
                    {"at_most", row.at_most},
                    {"holds", row.holds()}});
  }
  return all;
}

// Takes our own --json=FILE out of the arguments.
std::optional<std::string> take_json_argument(std::vector<char*>& arguments) {
  const std::string_view flag = "--json=";
  for (auto at = arguments.begin() + 1; at != arguments.end(); ++at) {
    if (!std::string_view(*at).starts_with(flag)) continue;
    std::string file = *at + flag.size();
    arguments.erase(at);
    return file;
  }
  return std::nullopt;
}

int run(int argc, char** argv) {
  // Ours come first, so that the user's, which come later, win.
  std::vector<std::string> words{argv[0], "--benchmark_enable_random_interleaving=true", "--benchmark_repetitions=9",
                                 "--benchmark_min_time=0.01"};
  words.insert(words.end(), argv + 1, argv + argc);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  const std::optional<std::string> json_file = take_json_argument(arguments);
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (json_file) WholeFile::check(*json_file);  // before minutes are spent
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;

  print_caveats();
  // In child processes, and so before this one has threads and a heap with a history.
  const std::vector<ResidentResult> resident = measure_resident();
  register_bump_cases();
  register_block_cases();
  register_thread_cases();
  Gatherer gathered(::isatty(STDERR_FILENO) != 0);
  benchmark::RunSpecifiedBenchmarks(&gathered);
  benchmark::Shutdown();

  boost::json::array case_rows;
  boost::json::array resident_rows;
  boost::json::array target_rows;
  for (const Gatherer::Case& one : gathered.cases()) print_case(gathered, one, case_rows);
  print_resident(resident, resident_rows);
  const bool all_hold = print_targets(evaluate_targets([&](const std::string& name, const std::string& contestant) {
                                        const Figures* const figures = gathered.find(name, contestant);
                                        return figures != nullptr ? std::optional(figures->least()) : std::nullopt;
                                      }),
                                      target_rows);
  if (json_file) {
    const boost::json::object results{{"cases", case_rows}, {"resident", resident_rows}, {"targets", target_rows}};
    write_whole_file(*json_file, boost::json::serialize(results) + "\n");
  }
  return all_hold ? 0 : 1;
}

}  // namespace
}  // namespace plateau::bench

int main(int argc, char** argv) {
  try {
    return plateau::bench::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "allocators_bench: %s\n", error.what());
    return 2;
  }
}
