#include <regex>

#include "leakdemo/detectors/all.hpp"
#include "leakdemo/detectors/report_text.hpp"
#include "leakdemo/leak_run.hpp"

namespace plateau::leakdemo {
namespace {

std::vector<Report> read(const std::string& text) {
  static const std::regex head(R"((Direct|Indirect) leak of (\d+) byte\(s\) in \d+ object\(s\) allocated from:)");
  static const std::regex frame(R"( +#\d+ 0x[0-9a-f]+ (?:in )?(.*))");
  return read_reports(text, {.head = [](const std::string& line) -> std::optional<Report> {
                               std::smatch match;
                               if (!std::regex_search(line, match, head)) return std::nullopt;
                               return Report{.kind = match[1] == "Direct" ? "direct" : "indirect",
                                             .bytes = bytes_of(match[2]),
                                             .functions = {}};
                             },
                             .frame = [](const std::string& line) -> std::optional<std::string> {
                               std::smatch match;
                               if (!std::regex_match(line, match, frame)) return std::nullopt;
                               return match[1];
                             }});
}

class LeakSanitizer final : public Detector {
 public:
  explicit LeakSanitizer(const Programs& programs) : programs_(programs) {}
  std::string_view name() const override { return "lsan"; }
  std::string_view title() const override { return "LeakSanitizer"; }
  std::string_view use() const override { return "g++ -fsanitize=leak"; }
  std::optional<std::string> unavailable() const override {
    if (is_installed(programs_.folder / "leak_lsan")) return std::nullopt;
    return "this build has no leak_lsan: its compiler has no -fsanitize=leak (package liblsan0)";
  }
  Observation observe(const Task& task) const override {
    constexpr int leaks_were_found = 23;
    const LeakRun run = run_leak(programs_, task,
                                 {.program = "leak_lsan",
                                  .brings_malloc = true,
                                  .environment = {"LSAN_OPTIONS=allocator_may_return_null=1"},
                                  .good_statuses = {0, leaks_were_found}});
    return {run.failure, read(run.errors), run.cost};
  }

 private:
  const Programs programs_;
};

}  // namespace

std::unique_ptr<Detector> leak_sanitizer(const Programs& programs) {
  return std::make_unique<LeakSanitizer>(programs);
}

}  // namespace plateau::leakdemo
