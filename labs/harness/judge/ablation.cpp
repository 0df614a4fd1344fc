#include "labs/harness/judge/ablation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "labs/harness/measure/pauses.hpp"
#include "labs/harness/measure/statistics.hpp"

namespace plateau::harness {
namespace {

constexpr double mb = 1e6;
constexpr std::string_view only_prefix = "only-";
constexpr std::string_view all_but_prefix = "all-but-";
constexpr std::string_view wrong_prefix = "wrong-";

// Smaller changes than this are noise of sampling, not a gap that was closed.
constexpr double least_closed_bytes = 4 * mb;

const Sample* peak_of(const ArmResult& arm) {
  return &*std::max_element(arm.series.begin(), arm.series.end(),
                            [](const Sample& a, const Sample& b) { return a.rss < b.rss; });
}

// A fix closes the part that is most smaller with it than without it, at a simulated moment that both arms
// lived. The residual belongs to nobody, and no fix is given it.
// Batches take each its own time: they are compared at their peaks.
std::optional<ClosedPart> find_closed_part(const ArmResult& without_fix, const ArmResult& with_fix) {
  const double both_lived = std::min(without_fix.series.back().t, with_fix.series.back().t) * 0.98;
  const bool batch = with_fix.spec.batch.has_value();
  const Sample* const without = batch ? peak_of(without_fix) : without_fix.at(both_lived);
  const Sample* const with = batch ? peak_of(with_fix) : with_fix.at(both_lived);
  if (without == nullptr || with == nullptr) return std::nullopt;
  const std::vector<MeasuredPart> closed = waterfall_of(*with);
  std::optional<ClosedPart> most;
  for (const auto& [part, bytes] : waterfall_of(*without)) {
    const auto left = bytes_of(closed, part->id);
    if (part->is_residual() || !left) continue;
    const auto less = static_cast<double>(bytes - *left);
    if (less > (most ? most->bytes : least_closed_bytes)) most = ClosedPart{part, less};
  }
  return most;
}

// The cause of stalls that took most less time with the fix than without it.
std::optional<ClosedCause> find_closed_cause(const ArmResult& without_fix, const ArmResult& with_fix) {
  constexpr double least_ms_a_second = 0.5;
  const PauseSummary without = summarise_pauses(without_fix);
  const PauseSummary with = summarise_pauses(with_fix);
  std::optional<ClosedCause> most;
  for (std::size_t i = 0; i < stall_causes.size(); ++i) {
    const auto cause = static_cast<StallCause>(i);
    if (cause == StallCause::machine) continue;
    const double less = without.ms_by_cause[i] / without_fix.wall_seconds - with.ms_by_cause[i] / with_fix.wall_seconds;
    if (less > (most ? most->ms_a_second : least_ms_a_second)) most = ClosedCause{cause, less};
  }
  return most;
}

const ArmResult* find_arm(const std::deque<ArmResult>& arms, std::string_view name) {
  const auto found =
      std::find_if(arms.begin(), arms.end(), [name](const ArmResult& arm) { return arm.spec.name == name; });
  return found == arms.end() ? nullptr : &*found;
}

}  // namespace

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
  ablation.operation = lab.operation;
  ablation.hours = hours;
  const ArmResult* const none = find_arm(arms, "none");
  const ArmResult* const all = find_arm(arms, "all");
  for (const ArmResult& arm : arms) {
    AblationRow row;
    row.arm = arm.spec.name;
    row.outcome = arm.outcome;
    if (arm.out_of_memory()) row.died_at_hours = arm.simulated_seconds() / 3600;
    const Sample* const compared = arm.spec.batch ? peak_of(arm) : arm.at(std::min(hours * 3600, arm.series.back().t));
    row.rss = static_cast<double>(compared != nullptr ? compared->rss : arm.peak_rss);
    row.parts = waterfall_of(compared != nullptr ? *compared : arm.series.back());
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
    if (arm.spec.batch) {
      row.operations_per_second = static_cast<double>(arm.operations) / arm.wall_seconds;
      row.p99_ms = arm.latency.quantile_us(0.99) / 1e3;
    }
    if (lab.measures_pauses) {
      row.pause_ms = median(longest_by_period_ms(arm, lab.pause_period_s));
      row.p99_ms = median(latency_by_period_ms(arm, lab.pause_period_s, 0.99));
    }
    const bool is_all_but = row.arm.starts_with(all_but_prefix);
    const ArmResult* const without_fix = is_all_but ? &arm : none;
    const ArmResult* const with_fix = is_all_but ? all : &arm;
    if (without_fix != nullptr && with_fix != nullptr && without_fix != with_fix) {
      if (lab.measures_pauses) {
        row.takes_from = find_closed_cause(*without_fix, *with_fix);
      } else {
        row.closes = find_closed_part(*without_fix, *with_fix);
      }
    }
    ablation.rows.push_back(std::move(row));
  }
  return ablation;
}

namespace {

// Parts that were measured in any of the arms, in the order of the waterfall.
std::vector<const WaterfallPart*> measured_parts(const Ablation& ablation) {
  std::vector<const WaterfallPart*> measured;
  for (const WaterfallPart& part : waterfall_parts()) {
    const bool is_measured = std::any_of(ablation.rows.begin(), ablation.rows.end(), [&part](const AblationRow& row) {
      return bytes_of(row.parts, part.id).has_value();
    });
    if (is_measured) measured.push_back(&part);
  }
  return measured;
}

std::size_t width_of(const WaterfallPart& part) {
  constexpr std::size_t least = 6;
  return std::max(part.id.size(), least);
}

std::string format_memory_table(const Ablation& ablation) {
  const std::vector<const WaterfallPart*> parts = measured_parts(ablation);
  const std::string cpu = fmt::format("us/{}", ablation.operation);
  std::string text = fmt::format("\nWhat each fix bought, after {:.3g} simulated hours or at the kernel's kill (MB)\n",
                                 ablation.hours);
  text += fmt::format("{:<20} {:>7} {:>12} |", "arm", "RSS", "ended");
  for (const WaterfallPart* const part : parts) text += fmt::format(" {:>{}}", part->id, width_of(*part));
  text += fmt::format(" | {:>8} {:>9}  {}\n", "MB/sim s", cpu, "closes most (all-but: what it closes in all)");
  for (const AblationRow& row : ablation.rows) {
    const std::string ended = row.died_at_hours ? fmt::format("died {:.1f} h", *row.died_at_hours) : "lived";
    text += fmt::format("{:<20} {:>7.0f} {:>12} |", row.arm, row.rss / mb, ended);
    for (const WaterfallPart* const part : parts) {
      const auto bytes = bytes_of(row.parts, part->id);
      const std::string cell = bytes ? fmt::format("{:.0f}", static_cast<double>(*bytes) / mb) : "-";
      text += fmt::format(" {:>{}}", cell, width_of(*part));
    }
    const std::string closes =
        row.closes ? fmt::format("{} ({:.0f} MB)", row.closes->part->name, row.closes->bytes / mb) : "-";
    text += fmt::format(" | {:>8.3f} {:>9.1f}  {}\n", row.allocation_rate / mb, row.cpu_us_per_operation, closes);
  }
  return text;
}

std::string format_pause_table(const Ablation& ablation) {
  std::string text =
      fmt::format("\nWhat each fix bought, over {:.0f} s or up to the kernel's kill\n", ablation.hours * 3600);
  const std::string calls = fmt::format("calls/{}", ablation.operation);
  const std::string cpu = fmt::format("us CPU/{}", ablation.operation);
  text += fmt::format("{:<20} {:>9} {:>9} {:>8} {:>13} | {:>9} {:>13} {:>14}  {}\n", "arm", "pause, ms", "P99, ms",
                      "RSS, MB", "ended", "faults/s", calls, cpu, "takes most from (all-but: what it takes in all)");
  for (const AblationRow& row : ablation.rows) {
    const std::string ended = row.died_at_hours ? fmt::format("died {:.0f} s", *row.died_at_hours * 3600) : "lived";
    const std::string takes =
        row.takes_from ? fmt::format("{} ({:.1f} ms/s)", stall_causes[static_cast<std::size_t>(row.takes_from->cause)],
                                     row.takes_from->ms_a_second)
                       : "-";
    const auto ms = [](const std::optional<double>& value) { return value ? fmt::format("{:.2f}", *value) : "-"; };
    text += fmt::format("{:<20} {:>9} {:>9} {:>8.0f} {:>13} | {:>9.0f} {:>13.2f} {:>14.1f}  {}\n", row.arm,
                        ms(row.pause_ms), ms(row.p99_ms), row.rss / mb, ended, row.faults_a_second,
                        row.calls_per_operation, row.cpu_us_per_operation, takes);
  }
  return text;
}

std::string format_batch_table(const Ablation& ablation) {
  const std::string rate = fmt::format("{}s/s", ablation.operation);
  const std::string cpu = fmt::format("us CPU/{}", ablation.operation);
  const std::string calls = fmt::format("calls/{}", ablation.operation);
  std::string text = fmt::format("\nWhat each fix bought, over the whole batch or up to the kernel's kill\n");
  text += fmt::format("{:<22} {:>10} {:>10} {:>12} {:>13} | {:>14} {:>14}  {}\n", "arm", rate, "P99, ms",
                      "peak RSS, MB", "ended", cpu, calls, "closes most of the peak (all-but: in all)");
  for (const AblationRow& row : ablation.rows) {
    const std::string ended = row.died_at_hours ? fmt::format("died {:.1f} s", *row.died_at_hours * 3600) : "done";
    const std::string closes =
        row.closes ? fmt::format("{} ({:.0f} MB)", row.closes->part->name, row.closes->bytes / mb) : "-";
    text += fmt::format("{:<22} {:>10.0f} {:>10.1f} {:>12.1f} {:>13} | {:>14.1f} {:>14.1f}  {}\n", row.arm,
                        *row.operations_per_second, row.p99_ms.value_or(0), row.rss / mb, ended,
                        row.cpu_us_per_operation, row.calls_per_operation, closes);
  }
  return text;
}

}  // namespace

std::string format_table(const Ablation& ablation) {
  const bool batch = !ablation.rows.empty() && ablation.rows.front().operations_per_second;
  const bool pauses = !batch && !ablation.rows.empty() && ablation.rows.front().p99_ms;
  std::string text = batch    ? format_batch_table(ablation)
                     : pauses ? format_pause_table(ablation)
                              : format_memory_table(ablation);
  text += "\nWhy the wrong fixes fail\n";
  for (const AblationRow& row : ablation.rows) {
    if (row.reason.empty()) continue;
    const std::string end = row.died_at_hours && (pauses || batch)
                                ? fmt::format("died at {:.0f} s", *row.died_at_hours * 3600)
                            : row.died_at_hours ? fmt::format("died at {:.1f} h", *row.died_at_hours)
                            : row.pause_ms      ? fmt::format("pauses of {:.1f} ms", *row.pause_ms)
                                                : fmt::format("lived, at {:.0f} MB", row.rss / mb);
    text += fmt::format("  {:<23} {}{}{}: {}\n", row.arm, end, row.seen.empty() ? "" : "; ", row.seen, row.reason);
  }
  return text;
}

}  // namespace plateau::harness
