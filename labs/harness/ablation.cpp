#include "labs/harness/ablation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>
#include <utility>

#include "labs/harness/pauses.hpp"
#include "labs/harness/statistics.hpp"

namespace plateau::harness {
namespace {

constexpr double mb = 1e6;
constexpr std::string_view only_prefix = "only-";
constexpr std::string_view all_but_prefix = "all-but-";
constexpr std::string_view wrong_prefix = "wrong-";

using Gap = std::optional<double> WaterfallGaps::*;
constexpr std::array<std::pair<std::string_view, Gap>, 5> closable_gaps{{
    {"live heap", &WaterfallGaps::live},
    {"rounding and pool slack", &WaterfallGaps::rounding},
    {"pinned slabs", &WaterfallGaps::slabs},
    {"padding of large blocks", &WaterfallGaps::padding},
    {"dirty pages", &WaterfallGaps::dirty_and_metadata},
}};

// Smaller changes than this are noise of sampling, not a gap that was closed.
constexpr double least_closed_bytes = 4 * mb;

std::optional<double> difference(std::optional<std::uint64_t> more, std::optional<std::uint64_t> less) {
  if (!more || !less) return std::nullopt;
  return static_cast<double>(*more) - static_cast<double>(*less);
}

std::string cell(const std::optional<double>& bytes) {
  return bytes ? fmt::format("{:.0f}", *bytes / mb) : "-";
}

// What a fix closes is the step that is most smaller with it than without it, at a simulated moment that both arms
// lived.
void find_closed_gap(const ArmResult& without_fix, const ArmResult& with_fix, AblationRow& row) {
  const double both_lived = std::min(without_fix.series.back().t, with_fix.series.back().t) * 0.98;
  const Sample* const without = without_fix.at(both_lived);
  const Sample* const with = with_fix.at(both_lived);
  if (without == nullptr || with == nullptr) return;
  const WaterfallGaps open = waterfall_of(*without);
  const WaterfallGaps closed = waterfall_of(*with);
  for (const auto& [name, gap] : closable_gaps) {
    if (!(open.*gap) || !(closed.*gap)) continue;
    const double bytes = *(open.*gap) - *(closed.*gap);
    if (bytes > row.closes_bytes.value_or(least_closed_bytes)) {
      row.closes = name;
      row.closes_bytes = bytes;
    }
  }
}

// The cause of stalls that took most less time with the fix than without it.
void find_closed_cause(const ArmResult& without_fix, const ArmResult& with_fix, AblationRow& row) {
  constexpr double least_ms_a_second = 0.5;
  const PauseSummary without = summarise_pauses(without_fix);
  const PauseSummary with = summarise_pauses(with_fix);
  for (std::size_t i = 0; i < stall_causes.size(); ++i) {
    if (static_cast<StallCause>(i) == StallCause::machine) continue;
    const double less = without.ms_by_cause[i] / without_fix.wall_seconds - with.ms_by_cause[i] / with_fix.wall_seconds;
    if (less > row.closes_ms_a_second.value_or(least_ms_a_second)) {
      row.closes = stall_causes[i];
      row.closes_ms_a_second = less;
    }
  }
}

const ArmResult* find_arm(const std::deque<ArmResult>& arms, std::string_view name) {
  const auto found =
      std::find_if(arms.begin(), arms.end(), [name](const ArmResult& arm) { return arm.spec.name == name; });
  return found == arms.end() ? nullptr : &*found;
}

}  // namespace

WaterfallGaps waterfall_of(const Sample& s) {
  WaterfallGaps gaps;
  if (s.requested) gaps.live = static_cast<double>(*s.requested);
  gaps.rounding = difference(s.allocated, s.requested);
  gaps.slabs = difference(s.slab_bytes, s.slab_region_bytes);
  gaps.padding = difference(s.active, s.allocated);
  if (gaps.slabs && gaps.padding) {
    *gaps.padding -= *gaps.slabs;
  } else {
    std::swap(gaps.slabs, gaps.padding);  // not told apart: all of it may be slack of slabs
  }
  gaps.dirty_and_metadata = difference(s.resident, s.active);
  // From the last step that the allocator tells.
  for (const auto& step : {s.requested, s.allocated, s.active, s.resident}) {
    if (step) gaps.rest = static_cast<double>(s.rss) - static_cast<double>(*step);
  }
  return gaps;
}

std::vector<ArmSpec> ablation_arms(const LabDescription& lab, const ArmSpec& base) {
  std::vector<std::string> all;
  std::transform(lab.fixes.begin(), lab.fixes.end(), std::back_inserter(all),
                 [](const Fix& f) { return std::string(f.name); });

  std::vector<ArmSpec> arms;
  const auto add = [&](std::string name, std::vector<std::string> fixes) -> ArmSpec& {
    ArmSpec& arm = arms.emplace_back(base);
    arm.name = std::move(name);
    arm.fixes = std::move(fixes);
    arm.hours = std::min(base.hours, lab.ablation_hours);
    return arm;
  };
  add("none", {});
  for (const std::string& fix : all) add(std::string(only_prefix) + fix, {fix});
  for (const std::string& fix : all) {
    std::vector<std::string> others;
    std::copy_if(all.begin(), all.end(), std::back_inserter(others), [&fix](const std::string& f) { return f != fix; });
    add(std::string(all_but_prefix) + fix, std::move(others));
  }
  add("all", all);
  for (const WrongFix& wrong : lab.wrong_fixes) {
    add(std::string(wrong_prefix) + std::string(wrong.name), {std::string(wrong.name)}).hours =
        std::min(base.hours, wrong.hours);
  }
  return arms;
}

Ablation summarise_ablation(const LabDescription& lab, double hours, const std::deque<ArmResult>& arms) {
  Ablation ablation;
  ablation.hours = hours;
  for (const ArmResult& arm : arms) {
    AblationRow row;
    row.arm = arm.spec.name;
    row.outcome = arm.outcome;
    if (arm.out_of_memory()) row.died_at_hours = arm.simulated_seconds() / 3600;
    const Sample* const compared = arm.at(std::min(hours * 3600, arm.series.back().t));
    row.rss = static_cast<double>(compared != nullptr ? compared->rss : arm.peak_rss);
    row.gaps = waterfall_of(compared != nullptr ? *compared : arm.series.back());
    row.allocation_rate = arm.bytes_per_simulated_second(0, arm.simulated_seconds()).value_or(0);
    row.cpu_us_per_operation = arm.cpu_seconds * 1e6 / static_cast<double>(std::max<std::uint64_t>(arm.operations, 1));
    const bool wrong = row.arm.starts_with(wrong_prefix);
    if (wrong) {
      const std::string_view name = std::string_view(row.arm).substr(wrong_prefix.size());
      const auto found = std::find_if(lab.wrong_fixes.begin(), lab.wrong_fixes.end(),
                                      [&](const WrongFix& w) { return w.name == name; });
      if (found != lab.wrong_fixes.end()) row.reason = found->reason;
    }
    row.calls_per_operation =
        static_cast<double>(arm.allocation_calls) / static_cast<double>(std::max<std::uint64_t>(arm.operations, 1));
    row.faults_a_second = static_cast<double>(arm.minor_faults) / arm.wall_seconds;
    if (lab.measures_pauses) {
      row.pause_ms = median(longest_by_period_ms(arm, lab.pause_period_s));
      row.p99_ms = median(latency_by_period_ms(arm, lab.pause_period_s, 0.99));
    }
    const auto find_closed = lab.measures_pauses ? find_closed_cause : find_closed_gap;
    const ArmResult* const none = find_arm(arms, "none");
    const ArmResult* const all = find_arm(arms, "all");
    if (row.arm.starts_with(all_but_prefix)) {
      if (all != nullptr) find_closed(arm, *all, row);
    } else if (none != nullptr && &arm != none) {
      find_closed(*none, arm, row);
    }
    ablation.rows.push_back(std::move(row));
  }
  return ablation;
}

namespace {

std::string format_memory_table(const Ablation& ablation) {
  std::string text = fmt::format("\nWhat each fix bought, after {:.3g} simulated hours or at the kernel's kill (MB)\n",
                                 ablation.hours);
  text += fmt::format("{:<20} {:>7} {:>12} | {:>6} {:>8} {:>6} {:>7} {:>6} {:>5} | {:>8} {:>9}  {}\n", "arm", "RSS",
                      "ended", "live", "rounding", "slabs", "padding", "dirty", "rest", "MB/sim s", "us/order",
                      "closes most (all-but: what it closes in all)");
  for (const AblationRow& row : ablation.rows) {
    const std::string ended = row.died_at_hours ? fmt::format("died {:.1f} h", *row.died_at_hours) : "lived";
    const std::string closes =
        row.closes.empty() ? "-" : fmt::format("{} ({:.0f} MB)", row.closes, *row.closes_bytes / mb);
    text += fmt::format("{:<20} {:>7.0f} {:>12} | {:>6} {:>8} {:>6} {:>7} {:>6} {:>5} | {:>8.3f} {:>9.1f}  {}\n",
                        row.arm, row.rss / mb, ended, cell(row.gaps.live), cell(row.gaps.rounding),
                        cell(row.gaps.slabs), cell(row.gaps.padding), cell(row.gaps.dirty_and_metadata),
                        cell(row.gaps.rest), row.allocation_rate / mb, row.cpu_us_per_operation, closes);
  }
  return text;
}

std::string format_pause_table(const Ablation& ablation) {
  std::string text =
      fmt::format("\nWhat each fix bought, over {:.0f} s or up to the kernel's kill\n", ablation.hours * 3600);
  text += fmt::format("{:<20} {:>9} {:>9} {:>8} {:>13} | {:>9} {:>10} {:>11}  {}\n", "arm", "pause, ms", "P99, ms",
                      "RSS, MB", "ended", "faults/s", "calls/req.", "us CPU/req.",
                      "takes most from (all-but: what it takes in all)");
  for (const AblationRow& row : ablation.rows) {
    const std::string ended = row.died_at_hours ? fmt::format("died {:.0f} s", *row.died_at_hours * 3600) : "lived";
    const std::string closes =
        row.closes.empty() ? "-" : fmt::format("{} ({:.1f} ms/s)", row.closes, *row.closes_ms_a_second);
    const auto ms = [](const std::optional<double>& value) { return value ? fmt::format("{:.2f}", *value) : "-"; };
    text += fmt::format("{:<20} {:>9} {:>9} {:>8.0f} {:>13} | {:>9.0f} {:>10.2f} {:>11.1f}  {}\n", row.arm,
                        ms(row.pause_ms), ms(row.p99_ms), row.rss / mb, ended, row.faults_a_second,
                        row.calls_per_operation, row.cpu_us_per_operation, closes);
  }
  return text;
}

}  // namespace

std::string format_table(const Ablation& ablation) {
  const bool pauses = !ablation.rows.empty() && ablation.rows.front().p99_ms;
  std::string text = pauses ? format_pause_table(ablation) : format_memory_table(ablation);
  text += "\nWhy the wrong fixes fail\n";
  for (const AblationRow& row : ablation.rows) {
    if (row.reason.empty()) continue;
    const std::string end = row.died_at_hours && pauses ? fmt::format("died at {:.0f} s", *row.died_at_hours * 3600)
                            : row.died_at_hours         ? fmt::format("died at {:.1f} h", *row.died_at_hours)
                            : row.pause_ms              ? fmt::format("pauses of {:.1f} ms", *row.pause_ms)
                                                        : fmt::format("lived, at {:.0f} MB", row.rss / mb);
    text += fmt::format("  {:<20} {}: {}\n", row.arm, end, row.reason);
  }
  return text;
}

}  // namespace plateau::harness
