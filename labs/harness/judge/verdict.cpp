#include "labs/harness/judge/verdict.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace plateau::harness {
namespace {

constexpr double mb = 1e6;

std::size_t lanes_of(const ArmResult& one, const ArmResult& other) {
  return std::min(one.digests.size(), other.digests.size());
}

std::string number(const std::optional<double>& value) {
  if (!value) return "-";
  const double magnitude = std::abs(*value);
  if (magnitude >= 100) return fmt::format("{:.0f}", *value);
  if (magnitude >= 10) return fmt::format("{:.1f}", *value);
  if (magnitude >= 0.1 || magnitude == 0) return fmt::format("{:.2f}", *value);
  return fmt::format("{:.2g}", *value);
}

}  // namespace

void VerdictRow::hold_before_within_tolerance(double figure) {
  target = figure;
  relation = fmt::format("before within {:.0f} % of", calibration_tolerance * 100);
  if (before) holds = std::abs(*before - figure) <= calibration_tolerance * figure;
}

void VerdictRow::hold_after_at_most(double most, const std::string& unjudged) {
  target = most;
  relation = "after at most";
  if (after && unjudged.empty()) holds = *after <= most;
  if (!unjudged.empty()) note += (note.empty() ? "" : "; ") + unjudged;
}

std::optional<double> VerdictRow::improvement() const {
  if (!before || !after || *before == 0) return std::nullopt;
  return (*after - *before) / *before * 100;
}

bool Verdict::holds() const {
  bool judged = false;
  for (const VerdictRow& row : rows) {
    if (!row.holds) continue;
    if (!*row.holds) return false;
    judged = true;
  }
  return judged;
}

OutputComparison compare_output(const ArmResult& one, const ArmResult& other) {
  OutputComparison result;
  result.same = true;
  for (std::size_t lane = 0; lane < lanes_of(one, other); ++lane) {
    const auto& a = one.digests[lane];
    const auto& b = other.digests[lane];
    const std::size_t both = std::min(a.size(), b.size());
    result.batches += both;
    result.same = result.same && std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(both), b.begin());
  }
  result.same = result.same && result.batches > 0;
  return result;
}

VerdictRow same_output(const ArmResult& before, const ArmResult& after) {
  const OutputComparison output = compare_output(before, after);
  VerdictRow same{.metric = "same output, in batches compared",
                  .before = static_cast<double>(output.batches),
                  .after = static_cast<double>(output.batches)};
  same.relation = "equal checksums";
  if (output.batches > 0) same.holds = output.same;
  return same;
}

std::optional<std::string> common_checksum(const ArmResult& arm, const std::deque<ArmResult>& all) {
  std::uint64_t folded = 0;
  std::size_t batches = 0;
  for (std::size_t lane = 0; lane < arm.digests.size(); ++lane) {
    std::size_t common = arm.digests[lane].size();
    for (const ArmResult& other : all) common = std::min(common, other.digests.at(lane).size());
    batches += common;
    for (std::size_t i = 0; i < common; ++i) {
      folded = (folded ^ arm.digests[lane][i]) * 0x9e3779b97f4a7c15ULL;  // order matters
      folded ^= folded >> 29;
    }
  }
  if (batches == 0) return std::nullopt;
  return fmt::format("{:016x}", folded);
}

std::string format_table(const Verdict& verdict) {
  std::string text = fmt::format("\n{:<46} {:>10} {:>10} {:>12}   {:<24} {}\n", "metric", "before", "after",
                                 "improvement", "target", "holds");
  for (const VerdictRow& row : verdict.rows) {
    const std::string name = row.unit.empty() ? row.metric : fmt::format("{}, {}", row.metric, row.unit);
    const auto change = row.improvement();
    const std::string target = row.target ? fmt::format("{} {}", row.relation, number(row.target)) : row.relation;
    text += fmt::format("{:<46} {:>10} {:>10} {:>12}   {:<24} {}{}\n", name, number(row.before), number(row.after),
                        change ? fmt::format("{:+.1f} %", *change) : "-", target,
                        row.holds ? (*row.holds ? "yes" : "NO") : "-", row.note.empty() ? "" : "  (" + row.note + ")");
  }
  return text;
}

std::string format_waterfall(const std::deque<ArmResult>& arms) {
  std::vector<std::vector<MeasuredPart>> ends;
  for (const ArmResult& arm : arms) ends.push_back(waterfall_of(arm.series.back()));
  std::string text = "\nWhere RSS is at the end (MB)      ";
  for (const ArmResult& arm : arms) text += fmt::format("{:>10}", arm.spec.name);
  text += "   what closes it\n";
  for (const WaterfallPart& part : waterfall_parts()) {
    std::string cells;
    bool is_measured = false;
    for (const std::vector<MeasuredPart>& end : ends) {
      const auto bytes = bytes_of(end, part.id);
      is_measured = is_measured || bytes;
      cells += fmt::format("{:>10}", bytes ? fmt::format("{:.1f}", static_cast<double>(*bytes) / mb) : "-");
    }
    if (!is_measured) continue;
    text += fmt::format("  {:<32}{}   {}\n", (part.is_gap ? "+ " : "") + std::string(part.name), cells, part.closed_by);
  }
  text += fmt::format("  {:<32}", "= RSS");
  for (const ArmResult& arm : arms) text += fmt::format("{:>10.1f}", static_cast<double>(arm.series.back().rss) / mb);
  return text + "\n";
}

std::string format_growth(const std::deque<ArmResult>& arms, bool colour) {
  constexpr int width = 60;
  double most = 0;
  double hours = 0;
  for (const ArmResult& arm : arms) {
    most = std::max({most, static_cast<double>(arm.peak_rss), static_cast<double>(arm.spec.memory_limit.value_or(0))});
    hours = std::max(hours, arm.simulated_seconds() / 3600);
  }
  const double step = hours > 12 ? 2 : hours > 6 ? 1 : std::max(hours / 8, 1e-6);
  const auto label = [hours](double hour) {
    return counts_in_seconds(hours * 3600) ? fmt::format("{:>6.1f} s", hour * 3600) : fmt::format("{:>6.1f} h", hour);
  };
  std::string text;
  for (const ArmResult& arm : arms) {
    text += fmt::format("\nRSS of {} (full width {:.0f} MB{})\n", arm.spec.name, most / mb,
                        arm.spec.memory_limit ? ", the limit" : "");
    const double end = arm.series.back().t / 3600;
    for (double hour = 0; hour <= end + 1e-9; hour += step) {
      const Sample* const sample = hour == 0 ? &arm.series.front() : arm.at(hour * 3600);
      if (sample == nullptr) continue;
      const int filled = std::max(1, static_cast<int>(static_cast<double>(sample->rss) / most * width));
      std::string bar;
      for (int i = 0; i < filled; ++i) bar += "█";
      if (colour) bar = (arm.out_of_memory() ? "\033[31m" : "\033[32m") + bar + "\033[0m";
      text += fmt::format("{} {} {:.0f} MB\n", label(hour), bar, static_cast<double>(sample->rss) / mb);
    }
    if (arm.outcome == Outcome::oom_killed)
      text += fmt::format("{} ✖ killed by the kernel ({})\n", label(end), arm.evidence);
    if (arm.outcome == Outcome::allocation_failed)
      text += fmt::format("{} ✖ no more memory under RLIMIT_DATA ({})\n", label(end), arm.message);
  }
  return text;
}

std::string format_predictions(const std::vector<Prediction>& predictions) {
  std::string text;
  for (const Prediction& p : predictions) {
    text += fmt::format("prediction ({}): {} {} {}", p.arm, p.metric, number(p.predicted), p.unit);
    if (p.measured)
      text += fmt::format("; measured {}; error {:+.1f} %", number(p.measured), (p.predicted / *p.measured - 1) * 100);
    text += "\n";
  }
  return text;
}

}  // namespace plateau::harness
