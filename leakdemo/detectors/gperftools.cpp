#include <signal.h>

#include <regex>
#include <stdexcept>

#include "leakdemo/detectors/all.hpp"
#include "leakdemo/detectors/heap_dumps.hpp"
#include "leakdemo/detectors/report_text.hpp"
#include "leakdemo/leak_run.hpp"

namespace plateau::leakdemo {
namespace {

constexpr const char* library = "libtcmalloc.so.4";
constexpr const char* pprof_of_gperftools = "/usr/bin/google-pprof";

std::optional<std::string> library_unavailable() {
  if (can_be_preloaded(library)) return std::nullopt;
  return "not installed: apt-get install libgoogle-perftools4";
}

std::vector<Report> read(const std::string& text) {
  static const std::regex head(R"(Leak of (\d+) bytes in \d+ objects allocated from:)");
  static const std::regex frame(R"(\t@ [0-9a-f]+ (.*))");
  return read_reports(text, {.head = [](const std::string& line) -> std::optional<Report> {
                               std::smatch match;
                               if (!std::regex_match(line, match, head)) return std::nullopt;
                               return Report{.kind = "leak", .bytes = bytes_of(match[1]), .functions = {}};
                             },
                             .frame = [](const std::string& line) -> std::optional<std::string> {
                               std::smatch match;
                               if (!std::regex_match(line, match, frame)) return std::nullopt;
                               return match[1];
                             }});
}

// What it finds it lists at the end, the twenty largest, in symbols that google-pprof finds for it.
class HeapChecker final : public Detector {
 public:
  explicit HeapChecker(const Programs& programs) : programs_(programs) {}
  std::string_view name() const override { return "heapcheck"; }
  std::string_view title() const override { return "gperftools heap checker"; }
  std::string_view use() const override { return "LD_PRELOAD=libtcmalloc.so.4 HEAPCHECK=normal"; }
  std::optional<std::string> unavailable() const override {
    if (auto reason = library_unavailable()) return reason;
    if (is_installed(pprof_of_gperftools)) return std::nullopt;
    return "not installed: apt-get install google-perftools";
  }
  Observation observe(const Task& task) const override {
    constexpr int leaks_were_found = 1;
    LeakRun run = run_leak(programs_, task,
                           {.preload = {library},
                            .brings_malloc = true,
                            .environment = {"HEAPCHECK=normal", std::string("PPROF_PATH=") + pprof_of_gperftools},
                            .good_statuses = {0, leaks_were_found}});
    if (run.failure.empty() && run.errors.find("eak check") == std::string::npos &&
        run.errors.find("No leaks found") == std::string::npos) {
      run.failure = std::string("this ") + library + " has no heap checker: it said nothing";
    }
    return {run.failure, read(run.errors), run.cost};
  }

 private:
  const Programs programs_;
};

class GperftoolsDifference final : public Detector {
 public:
  explicit GperftoolsDifference(const Programs& programs) : programs_(programs) {}
  std::string_view name() const override { return "gperf-diff"; }
  std::string_view title() const override { return "gperftools heap profiles, difference"; }
  std::string_view use() const override { return "LD_PRELOAD=libtcmalloc.so.4 HEAPPROFILE=… HEAPPROFILESIGNAL=12"; }
  std::optional<std::string> unavailable() const override { return library_unavailable(); }
  Observation observe(const Task& task) const override {
    // The signal's handler writes the profile before the program reads the line that lets it go on.
    const auto dump = [](Process& process) { process.send(SIGUSR2); };
    const LeakRun run = run_leak(programs_, task,
                                 {.preload = {library},
                                  .brings_malloc = true,
                                  .environment = {"HEAPPROFILE=" + (task.folder / "heap").string(),
                                                  "HEAPPROFILESIGNAL=" + std::to_string(SIGUSR2)},
                                  .when_warm = dump,
                                  .when_done = dump});
    if (!run.failure.empty()) return {run.failure, {}, {}};
    // The last one is written by the profiler itself, when the program ends.
    const auto profiles = dumps_in(task.folder, ".heap");
    if (profiles.size() < 2) throw std::runtime_error("gperftools wrote no two heap profiles");
    return {{}, dump_reports(profiles[1], profiles[0]), run.cost};
  }

 private:
  const Programs programs_;
};

}  // namespace

std::unique_ptr<Detector> gperftools_heap_checker(const Programs& programs) {
  return std::make_unique<HeapChecker>(programs);
}

std::unique_ptr<Detector> gperftools_difference(const Programs& programs) {
  return std::make_unique<GperftoolsDifference>(programs);
}

}  // namespace plateau::leakdemo
