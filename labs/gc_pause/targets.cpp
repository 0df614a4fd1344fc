#include "labs/gc_pause/targets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "labs/gc_pause/calibration.hpp"
#include "labs/gc_pause/gauges.hpp"
#include "labs/harness/measure/pauses.hpp"
#include "labs/harness/measure/statistics.hpp"

namespace plateau::gc_pause {
namespace {

using harness::ArmResult;
using harness::Sample;
using harness::VerdictRow;

// The case study's "before".
constexpr double case_pause_least_ms = 100;
constexpr double case_pause_most_ms = 200;
constexpr double case_period_s = 10;

// "after", beyond the case study's own figures.
constexpr double most_pause_ms = 1;
constexpr double least_times_shorter = 100;
constexpr double most_p99_ms = 2;
constexpr double most_bursts = 0;
constexpr double most_heap_deviation = 0.02;

double option(const ArmResult& arm, const char* name) {
  return arm.spec.options.number<double>(name);
}

std::vector<double> rss_of_last_half(const ArmResult& arm) {
  std::vector<double> values;
  for (const Sample& s : arm.series) {
    if (s.t >= arm.simulated_seconds() / 2) values.push_back(static_cast<double>(s.rss));
  }
  return values;
}

std::optional<double> median_rss(const ArmResult& arm) {
  return harness::median(rss_of_last_half(arm));
}

// The moment furthest from `size`, as a share of it.
std::optional<double> furthest_from(const ArmResult& arm, double size) {
  std::optional<double> furthest;
  for (const double rss : rss_of_last_half(arm)) furthest = std::max(furthest.value_or(0), std::abs(rss - size) / size);
  return furthest;
}

// Between the starts of the longest stalls of successive periods.
std::optional<double> time_between_pauses_s(const ArmResult& arm, double period_s) {
  std::vector<const harness::Stall*> longest(static_cast<std::size_t>(arm.wall_seconds / period_s) + 1);
  for (const harness::Stall& stall : arm.stalls) {
    const auto period = static_cast<std::size_t>(stall.t_s / period_s);
    if (period >= longest.size()) continue;
    const harness::Stall*& kept = longest[period];
    if (kept == nullptr || stall.of_the_program_us() > kept->of_the_program_us()) kept = &stall;
  }
  std::vector<double> between;
  for (std::size_t i = 1; i < longest.size(); ++i) {
    if (longest[i] != nullptr && longest[i - 1] != nullptr) between.push_back(longest[i]->t_s - longest[i - 1]->t_s);
  }
  return harness::median(std::move(between));
}

std::optional<double> gauge(const ArmResult& arm, GaugeIndex index) {
  const double value = arm.gauges.at(std::string(service_gauges[index]));
  return std::isnan(value) ? std::nullopt : std::optional(value);
}

// What an expiry takes on this machine, as measured before the service began.
std::optional<double> forecast_pause_ms(const ArmResult& arm) {
  const auto teardown = gauge(arm, gauge_predicted_teardown);
  const auto purge = gauge(arm, gauge_predicted_purge);
  return teardown && purge ? std::optional(*teardown + *purge) : std::nullopt;
}

bool is_pause_of_the_case(double ms) {
  return ms >= case_pause_least_ms * (1 - harness::calibration_tolerance) &&
         ms <= case_pause_most_ms * (1 + harness::calibration_tolerance);
}

std::optional<double> in_30_s(const std::optional<double>& count, const ArmResult& arm) {
  return count ? std::optional(*count / arm.wall_seconds * 30) : std::nullopt;
}

}  // namespace

harness::Verdict judge_gc_pause(const ArmResult& before, const ArmResult& after) {
  harness::Verdict verdict;
  const auto add = [&verdict](VerdictRow row) { verdict.rows.push_back(std::move(row)); };
  const double heap = option(before, "heap");
  const double period = option(before, "period");
  const bool full_size = heap == static_cast<double>(default_heap_bytes) && period == default_period_s;
  std::string other_scale;
  if (before.allocator_name != "jemalloc") other_scale = "calibrated for jemalloc";
  if (!full_size) other_scale = "calibrated for 2 GiB and periods of 10 s";
  const bool on_jemalloc = before.allocator_name == "jemalloc" && after.allocator_name == "jemalloc";

  VerdictRow pause{.metric = "longest pause in a period, median",
                   .unit = "ms",
                   .before = harness::median(harness::longest_by_period_ms(before, period)),
                   .after = harness::median(harness::longest_by_period_ms(after, period))};
  if (other_scale.empty()) {
    pause.relation = fmt::format("before {:.0f} to {:.0f}, within {:.0f} %", case_pause_least_ms, case_pause_most_ms,
                                 harness::calibration_tolerance * 100);
    const auto forecast = forecast_pause_ms(before);
    if (forecast && !is_pause_of_the_case(*forecast)) {
      pause.note = fmt::format("not judged: at the start this machine took {:.0f} ms for an expiry", *forecast);
    } else {
      pause.holds = pause.before && is_pause_of_the_case(*pause.before);
    }
  } else {
    pause.note = other_scale;
  }
  add(pause);

  VerdictRow between{.metric = "time between pauses", .unit = "s"};
  between.before = time_between_pauses_s(before, period);
  if (full_size) between.hold_before_within_tolerance(case_period_s);
  between.note = "the application's period: jemalloc's decay by itself makes none";
  add(between);

  VerdictRow pause_after{.metric = "the same, after", .unit = "ms", .after = pause.after};
  pause_after.note = "what the machine added is left out, and is in the table above";
  pause_after.hold_after_at_most(most_pause_ms);
  add(pause_after);

  VerdictRow shorter{.metric = "times shorter"};
  if (pause.before && pause.after && *pause.after > 0) shorter.after = *pause.before / *pause.after;
  shorter.target = least_times_shorter;
  shorter.relation = "at least";
  if (full_size && shorter.after) shorter.holds = *shorter.after >= least_times_shorter;
  if (!full_size) shorter.note = "judged at 2 GiB";
  add(shorter);

  VerdictRow longest{.metric = "longest pause of the run",
                     .unit = "ms",
                     .before = before.longest_of_the_program_us / 1e3,
                     .after = after.longest_of_the_program_us / 1e3};
  longest.note = fmt::format("beside it, a thread that only wakes up: at most {:.1f} and {:.1f} ms late",
                             before.hiccups.max_us() / 1e3, after.hiccups.max_us() / 1e3);
  add(longest);

  VerdictRow p99{.metric = "request P99 from intended start, median period",
                 .unit = "ms",
                 .before = harness::median(harness::latency_by_period_ms(before, period, 0.99)),
                 .after = harness::median(harness::latency_by_period_ms(after, period, 0.99))};
  p99.note = fmt::format(
      "of the whole run {:.2f} and {:.2f}; the thread that wakes up: {:.2f} and {:.2f}; at {:.0f} requests/s",
      before.latency.quantile_us(0.99) / 1e3, after.latency.quantile_us(0.99) / 1e3,
      before.hiccups.quantile_us(0.99) / 1e3, after.hiccups.quantile_us(0.99) / 1e3,
      before.spec.time.operations_per_second);
  const double machine_p99_ms = after.hiccups.quantile_us(0.99) / 1e3;
  p99.hold_after_at_most(
      most_p99_ms, machine_p99_ms > most_p99_ms / 2 ? "not judged: the machine alone takes half of it or more" : "");
  add(p99);

  VerdictRow longest_wait{.metric = "longest wait of a request",
                          .unit = "ms",
                          .before = before.latency.max_us() / 1e3,
                          .after = after.latency.max_us() / 1e3};
  longest_wait.note = "the pause and the queue behind it, and what the machine added";
  add(longest_wait);

  VerdictRow bursts{.metric = "purge bursts that requests paid for, in 30 s",
                    .before = in_30_s(gauge(before, gauge_purge_bursts), before),
                    .after = in_30_s(gauge(after, gauge_purge_bursts), after)};
  if (on_jemalloc) {
    bursts.hold_after_at_most(most_bursts);
  } else {
    bursts.note = "only jemalloc tells";
  }
  add(bursts);

  VerdictRow memory{.metric = "memory, median",
                    .unit = "MB",
                    .before = median_rss(before).value_or(NAN) / 1e6,
                    .after = median_rss(after).value_or(NAN) / 1e6};
  memory.hold_before_within_tolerance(heap / 1e6);
  add(memory);

  VerdictRow stable{.metric = "memory, furthest from its size", .unit = "%"};
  if (const auto furthest = furthest_from(before, heap)) stable.before = *furthest * 100;
  if (const auto furthest = furthest_from(after, heap)) stable.after = *furthest * 100;
  stable.note = fmt::format("of {:.0f} MB, over the last half", heap / 1e6);
  stable.hold_after_at_most(most_heap_deviation * 100, full_size ? "" : "judged at 2 GiB: blocks of arenas are 2 MiB");
  add(stable);

  VerdictRow faults{.metric = "minor faults a second",
                    .before = static_cast<double>(before.minor_faults) / before.wall_seconds,
                    .after = static_cast<double>(after.minor_faults) / after.wall_seconds};
  add(faults);

  const auto purge_cpu = [](const ArmResult& arm) -> std::optional<double> {
    const auto own = gauge(arm, gauge_purge_cpu_ms);
    const auto background = gauge(arm, gauge_background_cpu_ms);
    if (!own || !background) return std::nullopt;
    return (*own + *background) / arm.wall_seconds;
  };
  add({.metric = "CPU in purges, all threads", .unit = "ms/s", .before = purge_cpu(before), .after = purge_cpu(after)});

  const auto calls = [](const ArmResult& arm) {
    return static_cast<double>(arm.allocation_calls) / static_cast<double>(std::max<std::uint64_t>(arm.operations, 1));
  };
  add({.metric = "heap calls a request", .before = calls(before), .after = calls(after)});

  const auto cpu = [](const ArmResult& arm) {
    return arm.cpu_seconds * 1e6 / static_cast<double>(std::max<std::uint64_t>(arm.operations, 1));
  };
  add({.metric = "CPU a request", .unit = "us", .before = cpu(before), .after = cpu(after)});

  add(harness::same_output(before, after));
  return verdict;
}

}  // namespace plateau::gc_pause
