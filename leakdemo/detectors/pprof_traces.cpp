#include "leakdemo/detectors/pprof_traces.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <regex>
#include <stdexcept>

#include "leakdemo/detectors/report_text.hpp"
#include "leakdemo/process.hpp"

namespace plateau::leakdemo {
namespace {

constexpr std::chrono::seconds time_limit{60};

// A trace begins after a line of dashes; the value stands before its first function. A label may come before that.
std::vector<Report> read(const std::string& text) {
  static const std::regex head(R"( *(-?\d+)B?   (\S.*))");
  static const std::regex frame(R"( {13,}(\S.*))");
  return read_reports(text, {.head = [](const std::string& line) -> std::optional<Report> {
                               std::smatch match;
                               if (!std::regex_match(line, match, head)) return std::nullopt;
                               return Report{.kind = "in use", .bytes = bytes_of(match[1]), .functions = {match[2]}};
                             },
                             .frame = [](const std::string& line) -> std::optional<std::string> {
                               std::smatch match;
                               if (!std::regex_match(line, match, frame)) return std::nullopt;
                               return match[1];
                             }});
}

}  // namespace

std::optional<std::string> pprof_unavailable(const Programs& programs) {
  if (is_installed(programs.pprof)) return std::nullopt;
  return "no google/pprof: `make build/pprof` builds it (packages golang-go, golang-github-google-pprof-dev), --pprof "
         "names it";
}

std::vector<Report> pprof_traces(const Programs& programs, const std::filesystem::path& program,
                                 const std::filesystem::path& profile,
                                 const std::optional<std::filesystem::path>& base) {
  Command command{.arguments = {programs.pprof, "-traces", "-unit=B", "-sample_index=inuse_space"},
                  .environment = {"PPROF_TMPDIR=" + profile.parent_path().string()},
                  .folder = profile.parent_path()};
  if (base) command.arguments.push_back("-base=" + base->string());
  command.arguments.insert(command.arguments.end(), {program, profile});
  const Finished finished = run_to_end(command, time_limit);
  if (finished.end.status != 0) throw std::runtime_error("pprof: " + text_of(command.folder / "stderr.txt"));
  std::vector<Report> reports = read(finished.output);
  if (base) {
    for (Report& report : reports) report.kind = "growth";
  }
  return reports;
}

std::vector<std::filesystem::path> profiles_in(const std::filesystem::path& folder, const std::string& ending) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().filename().string().ends_with(ending)) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace plateau::leakdemo
