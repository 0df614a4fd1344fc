#include <regex>

#include "leakdemo/detectors/all.hpp"
#include "leakdemo/detectors/report_text.hpp"
#include "leakdemo/leak_run.hpp"

namespace plateau::leakdemo {
namespace {

// Blocks that are lost because their owner is come as records of their own, so the owner's record counts by itself.
std::vector<Report> read(const std::string& text) {
  static const std::regex head(
      R"(==\d+== ([\d,]+)(?: \(([\d,]+) direct, [\d,]+ indirect\))? bytes in [\d,]+ blocks are (.*) in loss record .*)");
  static const std::regex frame(R"(==\d+==    (?:at|by) 0x[0-9A-F]+: (.*) \(.*\))");
  return read_reports(text, {.head = [](const std::string& line) -> std::optional<Report> {
                               std::smatch match;
                               if (!std::regex_match(line, match, head)) return std::nullopt;
                               return Report{.kind = match[3],
                                             .bytes = bytes_of(match[2].matched ? match[2] : match[1]),
                                             .functions = {}};
                             },
                             .frame = [](const std::string& line) -> std::optional<std::string> {
                               std::smatch match;
                               if (!std::regex_match(line, match, frame)) return std::nullopt;
                               return match[1];
                             }});
}

class Memcheck final : public Detector {
 public:
  explicit Memcheck(const Programs& programs) : programs_(programs) {}
  std::string_view name() const override { return "memcheck"; }
  std::string_view title() const override { return "valgrind memcheck"; }
  std::string_view use() const override { return "valgrind --leak-check=full --show-leak-kinds=all"; }
  std::optional<std::string> unavailable() const override {
    if (is_installed("valgrind")) return std::nullopt;
    return "not installed: apt-get install valgrind";
  }
  Observation observe(const Task& task) const override {
    const LeakRun run =
        run_leak(programs_, task,
                 {.wrapper = {"valgrind", "--leak-check=full", "--show-leak-kinds=all", "--num-callers=30"},
                  .brings_malloc = true});
    return {run.failure, read(run.errors), run.cost};
  }

 private:
  const Programs programs_;
};

}  // namespace

std::unique_ptr<Detector> memcheck(const Programs& programs) {
  return std::make_unique<Memcheck>(programs);
}

}  // namespace plateau::leakdemo
