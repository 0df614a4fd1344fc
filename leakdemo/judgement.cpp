#include "leakdemo/judgement.hpp"

#include <algorithm>
#include <map>

namespace plateau::leakdemo {
namespace {

constexpr std::int64_t share_that_counts = 10;

// google-pprof says `login`, LeakSanitizer `login leaks/lost_pointer.cpp:20`, and heaptrack `login (lost_pointer.cpp)`,
// where others say `Sessions::login`.
bool names_without_class(const Leak& leak, std::string_view function) {
  const bool says_file = function.find(std::string(leak.name) + ".cpp") != std::string_view::npos;
  return std::any_of(leak.place.begin(), leak.place.end(), [&](std::string_view place) {
    const auto colons = place.rfind("::");
    if (colons == std::string_view::npos) return false;
    const std::string_view own = place.substr(colons + 2);
    return function == own || (says_file && function.starts_with(std::string(own) + " "));
  });
}

bool is_at_place(const Report& report, const Leak& leak) {
  return std::any_of(report.functions.begin(), report.functions.end(), [&](const std::string& function) {
    return leak.names(function) || names_without_class(leak, function);
  });
}

std::int64_t sum(const std::vector<Report>& reports) {
  std::int64_t bytes = 0;
  for (const Report& report : reports) bytes += report.bytes;
  return bytes;
}

// Among the reports, the largest first, the first one that is at the place, counted from 1.
std::size_t row_at_place(std::vector<Report> reports, const Leak& leak) {
  std::stable_sort(reports.begin(), reports.end(), [](const Report& a, const Report& b) { return a.bytes > b.bytes; });
  const auto first =
      std::find_if(reports.begin(), reports.end(), [&](const Report& report) { return is_at_place(report, leak); });
  return static_cast<std::size_t>(first - reports.begin()) + 1;
}

// The kind with most bytes among reports at the place of the fault, or not at it.
std::string main_kind(const std::vector<Report>& reports, const Leak& leak, bool at_place) {
  std::map<std::string, std::int64_t> bytes_by_kind;
  for (const Report& report : reports) {
    if (is_at_place(report, leak) == at_place) bytes_by_kind[report.kind] += report.bytes;
  }
  const auto largest = std::max_element(bytes_by_kind.begin(), bytes_by_kind.end(),
                                        [](const auto& a, const auto& b) { return a.second < b.second; });
  return largest == bytes_by_kind.end() ? "" : largest->first;
}

}  // namespace

std::string_view to_string(Finding finding) {
  switch (finding) {
    case Finding::found:
      return "found";
    case Finding::vague:
      return "vague";
    case Finding::missed:
      return "missed";
    case Finding::silent:
      return "silent";
    case Finding::false_alarm:
      return "false alarm";
    case Finding::not_run:
      return "not run";
  }
  return "unknown";
}

Judgement judge(const Leak& leak, const Observation& fault, const Observation& repair) {
  Judgement result;
  for (const Observation* const observation : {&fault, &repair}) {
    if (observation->failure.empty()) continue;
    result.kind = observation->failure;
    return result;
  }
  const auto truth = static_cast<std::int64_t>(leak.operations * leak.bytes_per_operation);
  const auto counts = [truth](std::int64_t bytes) { return bytes >= truth / share_that_counts; };

  result.reported_bytes = sum(fault.reports);
  result.fixed_bytes = sum(repair.reports);
  for (const Report& report : fault.reports) {
    if (is_at_place(report, leak)) result.named_bytes += report.bytes;
  }
  const bool named = counts(result.named_bytes) && result.named_bytes >= result.reported_bytes / 2;
  if (counts(result.fixed_bytes)) {
    result.finding = Finding::false_alarm;
    result.kind = main_kind(repair.reports, leak, false);
    if (result.kind.empty()) result.kind = main_kind(repair.reports, leak, true);
  } else if (named) {
    result.finding = Finding::found;
    result.kind = main_kind(fault.reports, leak, true);
    result.row = row_at_place(fault.reports, leak);
    result.error = static_cast<double>(result.named_bytes) / static_cast<double>(truth) - 1;
  } else if (counts(result.reported_bytes)) {
    result.finding = Finding::vague;
    result.kind = main_kind(fault.reports, leak, false);
  } else {
    result.finding = leak.kind == LeakKind::no_leak ? Finding::silent : Finding::missed;
  }
  const auto largest = std::max_element(fault.reports.begin(), fault.reports.end(),
                                        [](const Report& a, const Report& b) { return a.bytes < b.bytes; });
  if (largest != fault.reports.end() && counts(result.reported_bytes)) result.functions = largest->functions;
  return result;
}

}  // namespace plateau::leakdemo
