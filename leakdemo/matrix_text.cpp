#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "leakdemo/matrix.hpp"

namespace plateau::leakdemo {
namespace {

std::string cell(const Judgement& judgement) {
  switch (judgement.finding) {
    case Finding::not_run:
      return "-";
    case Finding::false_alarm:
      return "ALARM";
    default:
      return std::string(to_string(judgement.finding));
  }
}

// Each reason once, with the leaks that it was given for.
std::string reasons(const Matrix& matrix) {
  std::string text;
  for (std::size_t d = 0; d < matrix.detectors.size(); ++d) {
    const DetectorSummary& detector = matrix.detectors[d];
    if (!detector.unavailable.empty()) {
      text += fmt::format("  {:<11} {}\n", detector.name, detector.unavailable);
      continue;
    }
    std::map<std::string, std::vector<std::string_view>> leaks_by_reason;
    for (const MatrixRow& row : matrix.rows) {
      if (row.judgements[d].finding == Finding::not_run)
        leaks_by_reason[row.judgements[d].kind].push_back(row.leak->name);
    }
    for (const auto& [reason, leaks] : leaks_by_reason)
      text += fmt::format("  {:<11} {}: {}\n", detector.name, fmt::join(leaks, ", "), reason);
  }
  return text.empty() ? text : "not run\n" + text + "\n";
}

}  // namespace

std::string to_text(const Matrix& matrix) {
  std::string text = fmt::format("{:<27}{:<17}", "leak", "kind");
  for (const DetectorSummary& detector : matrix.detectors) text += fmt::format("{:<11}", detector.name);
  text += '\n';
  for (const MatrixRow& row : matrix.rows) {
    text += fmt::format("{:<27}{:<17}", row.leak->name, to_string(row.leak->kind));
    for (const Judgement& judgement : row.judgements) text += fmt::format("{:<11}", cell(judgement));
    text += '\n';
  }
  text +=
      "\nfound: with the function (of what is no leak: the part of RSS); vague: growth, and another place or none;\n"
      "missed: nothing to speak of; silent: nothing either, and rightly, for it is no leak; ALARM: also of the "
      "repaired "
      "program\n\n";

  text += fmt::format("{:<12}{:>7}{:>8}{:>9}{:>11}{:>12}{:>13}  {}\n", "detector", "found", "vague", "alarms",
                      "slowdown", "extra MB", "CPU s a run", "what it is");
  for (std::size_t d = 0; d < matrix.detectors.size(); ++d) {
    const DetectorSummary& detector = matrix.detectors[d];
    if (detector.runs == 0) continue;
    const auto count = [&](Finding finding) {
      return std::count_if(matrix.rows.begin(), matrix.rows.end(),
                           [&](const MatrixRow& row) { return row.judgements[d].finding == finding; });
    };
    text += fmt::format("{:<12}{:>7}{:>8}{:>9}{:>10.1f}x{:>12.1f}{:>13.2f}  {}\n", detector.name, count(Finding::found),
                        count(Finding::vague), count(Finding::false_alarm), detector.slowdown,
                        static_cast<double>(detector.extra_bytes) / 1e6, detector.run_seconds, detector.title);
  }
  text +=
      "\nslowdown: CPU time of the operations against plain runs of the same programs; extra MB: at the peak of RSS, "
      "median;"
      "\nCPU s a run: start, operations, and what it does at the end\n\n";
  return text + reasons(matrix) +
         fmt::format("{} leaks, fault and repair, in {:.0f} s ({:.0f} s of CPU time)\n", matrix.rows.size(),
                     matrix.seconds, matrix.cpu_seconds);
}

}  // namespace plateau::leakdemo
