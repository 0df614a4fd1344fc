#include <regex>
#include <stdexcept>

#include "leakdemo/detectors/all.hpp"
#include "leakdemo/detectors/report_text.hpp"
#include "leakdemo/leak_run.hpp"

namespace plateau::leakdemo {
namespace {

// heaptrack_print can write what is left at the end as stacks for a flame graph: `outermost;...;innermost bytes`.
std::vector<Report> read(const std::string& stacks) {
  static const std::regex line(R"((.*) (\d+))");
  return read_reports(stacks, {.head = [](const std::string& text) -> std::optional<Report> {
                                 std::smatch match;
                                 if (!std::regex_match(text, match, line)) return std::nullopt;
                                 Report report{.kind = "leaked", .bytes = bytes_of(match[2]), .functions = {}};
                                 const std::string all = match[1];
                                 for (std::size_t end = all.size(); end != std::string::npos && end > 0;) {
                                   const std::size_t begin = all.rfind(';', end - 1);
                                   const std::size_t from = begin == std::string::npos ? 0 : begin + 1;
                                   if (end > from) report.functions.push_back(all.substr(from, end - from));
                                   end = begin;
                                 }
                                 return report;
                               },
                               .frame = [](const std::string&) { return std::nullopt; }});
}

class Heaptrack final : public Detector {
 public:
  explicit Heaptrack(const Programs& programs) : programs_(programs) {}
  std::string_view name() const override { return "heaptrack"; }
  std::string_view title() const override { return "heaptrack, what is left at the end"; }
  std::string_view use() const override { return "heaptrack leak NAME; heaptrack_print --flamegraph-cost-type leaked"; }
  std::optional<std::string> unavailable() const override {
    if (is_installed("heaptrack") && is_installed("heaptrack_print")) return std::nullopt;
    return "not installed: apt-get install heaptrack";
  }
  Observation observe(const Task& task) const override {
    const LeakRun run = run_leak(programs_, task, {.wrapper = {"heaptrack", "-o", task.folder / "heaptrack"}});
    if (!run.failure.empty()) return {run.failure, {}, {}};
    std::filesystem::path data = task.folder / "heaptrack.zst";
    if (!std::filesystem::exists(data)) data = task.folder / "heaptrack.gz";  // without zstd
    const Finished printed =
        run_to_end({.arguments = {"heaptrack_print", data, "--flamegraph-cost-type", "leaked", "-F",
                                  task.folder / "stacks.txt", "-p", "0", "-a", "0", "-T", "0"},
                    .folder = task.folder},
                   std::chrono::seconds(60));
    if (printed.end.status != 0) throw std::runtime_error("heaptrack_print: " + text_of(task.folder / "stderr.txt"));
    return {{}, read(text_of(task.folder / "stacks.txt")), run.cost};
  }

 private:
  const Programs programs_;
};

}  // namespace

std::unique_ptr<Detector> heaptrack(const Programs& programs) {
  return std::make_unique<Heaptrack>(programs);
}

}  // namespace plateau::leakdemo
