#include "labs/order_service/targets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <vector>

#include "labs/harness/measure/statistics.hpp"
#include "labs/order_service/calibration.hpp"

namespace plateau::order_service {
namespace {

using harness::ArmResult;
using harness::Sample;
using harness::VerdictRow;

constexpr double mb = 1e6;
constexpr double hour = 3600;

// The case study's "before".
constexpr double case_start_mb = 100;
constexpr double case_first_hour_mb = 500;
constexpr double case_kill_hour = 6;
constexpr double case_allocation_mb_s = 5;

// "after", beyond the case study's own figures.
constexpr double most_peak_mb = 140;
constexpr double most_slope_mb_h = 0.2;
constexpr double most_rss_over_live = 1.2;
constexpr double most_allocation_mb_s = 0.05;
constexpr double most_calls_an_order = 0.01;
constexpr double most_cpu_share = 0.5;

std::optional<double> rss_mb_at(const ArmResult& arm, double t) {
  const Sample* const sample = t == 0 && !arm.series.empty() ? &arm.series.front() : arm.at(t);
  return sample != nullptr ? std::optional(static_cast<double>(sample->rss) / mb) : std::nullopt;
}

std::optional<double> slope_mb_an_hour(const ArmResult& arm, double from_s, double to_s) {
  std::vector<harness::Point> points;
  for (const Sample& s : arm.series) {
    if (s.t >= from_s && s.t <= to_s) points.push_back({s.t / hour, static_cast<double>(s.rss) / mb});
  }
  return harness::slope(points);
}

// Median over the last half of the run: single moments depend on how full the open batch is.
std::optional<double> rss_over_live(const ArmResult& arm) {
  std::vector<double> ratios;
  for (const Sample& s : arm.series) {
    if (s.t >= arm.simulated_seconds() / 2 && s.heap.requested.value_or(0) > 0) {
      ratios.push_back(static_cast<double>(s.rss) / static_cast<double>(*s.heap.requested));
    }
  }
  return harness::median(std::move(ratios));
}

double cpu_us_an_order(const ArmResult& arm) {
  return arm.cpu_seconds * 1e6 / static_cast<double>(std::max<std::uint64_t>(arm.operations, 1));
}

double orders_a_second(const ArmResult& arm) {
  return static_cast<double>(arm.operations) / arm.wall_seconds;
}

// Where the CPUs did not suffice, orders waited for each other and not for memory.
std::string queue_note(const ArmResult& arm) {
  constexpr double late = 1.02;
  const double planned = std::chrono::duration<double>(arm.spec.time.due(arm.operations)).count();
  const bool is_queue = arm.cpu_share().value_or(0) > 0.9 || arm.wall_seconds > late * planned;
  if (!is_queue) return {};
  return fmt::format("; {}: a queue, the CPUs did not suffice", arm.spec.name);
}

std::optional<double> allocation_mb_s(const ArmResult& arm) {
  const auto bytes = arm.bytes_per_simulated_second(0, arm.simulated_seconds());
  return bytes ? std::optional(*bytes / mb) : std::nullopt;
}

}  // namespace

harness::Verdict judge_order_service(const ArmResult& before, const ArmResult& after) {
  harness::Verdict verdict;
  const auto add = [&verdict](VerdictRow row) -> VerdictRow& { return verdict.rows.emplace_back(std::move(row)); };
  // What the calibration is of, and what of it this run changed.
  std::string other_scale;
  if (before.allocator_name != "jemalloc") other_scale = "calibrated for jemalloc";
  if (before.spec.memory_limit != limit_bytes) other_scale = "calibrated for a limit of 2 GiB";
  if (before.spec.options.is_given("orders")) other_scale = "calibrated for generated orders";
  if (before.spec.options.number<std::uint32_t>("settlement_orders") != calibration_settlement_orders) {
    other_scale = "calibrated for other settlements";
  }
  const bool calibrated = other_scale.empty();
  const std::string too_short = !calibrated ? other_scale : after.spec.hours < 24 ? "needs 24 h" : "";

  VerdictRow start{
      .metric = "memory at start", .unit = "MB", .before = rss_mb_at(before, 0), .after = rss_mb_at(after, 0)};
  if (calibrated) start.hold_before_within_tolerance(case_start_mb);
  add(start);

  VerdictRow first_hour{
      .metric = "memory after 1 h", .unit = "MB", .before = rss_mb_at(before, hour), .after = rss_mb_at(after, hour)};
  if (calibrated) first_hour.hold_before_within_tolerance(case_first_hour_mb);
  add(first_hour);

  VerdictRow killed{
      .metric = before.outcome == harness::Outcome::oom_killed ? "killed by the kernel after" : "out of memory after",
      .unit = "h"};
  if (before.out_of_memory()) killed.before = before.simulated_seconds() / hour;
  if (after.out_of_memory()) killed.after = after.simulated_seconds() / hour;
  if (calibrated) {
    killed.hold_before_within_tolerance(case_kill_hour);
    if (!killed.before && before.spec.hours >= case_kill_hour * (1 + harness::calibration_tolerance))
      killed.holds = false;
    if (after.out_of_memory()) killed.holds = false;
  } else {
    killed.note = other_scale;
  }
  add(killed);

  VerdictRow last{.metric = "memory at the end", .unit = "MB"};
  last.before =
      before.series.empty() ? std::nullopt : std::optional(static_cast<double>(before.series.back().rss) / mb);
  last.after = after.series.empty() ? std::nullopt : std::optional(static_cast<double>(after.series.back().rss) / mb);
  last.note =
      fmt::format("after {:.1f} h and {:.1f} h", before.simulated_seconds() / hour, after.simulated_seconds() / hour);
  add(last);

  VerdictRow peak{.metric = "peak memory",
                  .unit = "MB",
                  .before = static_cast<double>(before.peak_rss) / mb,
                  .after = static_cast<double>(after.peak_rss) / mb};
  peak.hold_after_at_most(most_peak_mb, too_short);
  add(peak);

  VerdictRow slope{.metric = "slope over the last 12 h", .unit = "MB/h"};
  slope.before = slope_mb_an_hour(before, 0, before.simulated_seconds());
  slope.after = after.simulated_seconds() >= 24 * hour
                    ? slope_mb_an_hour(after, after.simulated_seconds() - 12 * hour, after.simulated_seconds())
                    : std::nullopt;
  slope.note = "before: over its whole life";
  slope.hold_after_at_most(most_slope_mb_h, too_short);
  add(slope);

  VerdictRow over_live{
      .metric = "RSS / requested live bytes, median", .before = rss_over_live(before), .after = rss_over_live(after)};
  const bool profiled = before.spec.profiled() || after.spec.profiled();
  over_live.hold_after_at_most(most_rss_over_live,
                               too_short.empty() && profiled
                                   ? "with the profiler's records and unwind tables: judged without --profile"
                                   : too_short);
  add(over_live);

  VerdictRow rate{.metric = "allocation rate",
                  .unit = "MB/simulated s",
                  .before = allocation_mb_s(before),
                  .after = allocation_mb_s(after)};
  if (calibrated && before.simulated_seconds() > hour) rate.hold_before_within_tolerance(case_allocation_mb_s);
  add(rate);

  VerdictRow rate_after{.metric = "the same, after", .unit = "MB/simulated s", .after = rate.after};
  rate_after.hold_after_at_most(most_allocation_mb_s, too_short);
  add(rate_after);

  const auto steady_calls = [](const ArmResult& arm) {
    return arm.calls_per_operation(arm.simulated_seconds() / 2, arm.simulated_seconds());
  };
  VerdictRow calls{
      .metric = "heap calls an order, steady state", .before = steady_calls(before), .after = steady_calls(after)};
  calls.hold_after_at_most(most_calls_an_order, too_short);
  add(calls);

  VerdictRow cpu{
      .metric = "CPU an order", .unit = "us", .before = cpu_us_an_order(before), .after = cpu_us_an_order(after)};
  cpu.hold_after_at_most(*cpu.before * most_cpu_share, too_short);
  cpu.relation = "after at most half:";
  add(cpu);

  VerdictRow p99{.metric = "p99 from intended start, wall clock",
                 .unit = "us",
                 .before = before.latency.quantile_us(0.99),
                 .after = after.latency.quantile_us(0.99)};
  p99.note =
      fmt::format("beside it, a thread that only wakes up: {:.0f} and {:.0f}; {:.0f} and {:.0f} orders/s handled{}{}",
                  before.hiccups.quantile_us(0.99), after.hiccups.quantile_us(0.99), orders_a_second(before),
                  orders_a_second(after), queue_note(before), queue_note(after));
  add(p99);

  add(harness::same_output(before, after));
  return verdict;
}

}  // namespace plateau::order_service
