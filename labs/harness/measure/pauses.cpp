#include "labs/harness/measure/pauses.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "labs/harness/measure/statistics.hpp"

namespace plateau::harness {
namespace {

double program_ms(const Stall& stall) {
  return stall.of_the_program_us() / 1e3;
}

std::string_view what_it_is(StallCause cause) {
  switch (cause) {
    case StallCause::purge:
      return "the request's thread gave pages back to the kernel";
    case StallCause::purge_wait:
      return "it waited for an arena that another thread was purging";
    case StallCause::teardown:
      return "it took an object graph apart, one free at a time";
    case StallCause::collector:
      return "a garbage collector had stopped the world";
    case StallCause::fault:
      return "page faults, at their cost as measured at the start";
    case StallCause::machine:
      return "ready to run, and not running: the machine, not the program";
    case StallCause::unexplained:
      break;
  }
  return "the request's own work, and what nobody measured";
}

}  // namespace

bool has_pauses(const ArmResult& arm) {
  return !arm.latency_series.empty();
}

PauseSummary summarise_pauses(const ArmResult& arm) {
  PauseSummary summary;
  summary.max_ms = arm.longest_of_the_program_us / 1e3;
  std::vector<double> lengths;
  double first = 0;
  double last = 0;
  for (const Stall& stall : arm.stalls) {
    summary.total_ms += stall.total_us / 1e3;
    for (std::size_t i = 0; i < stall.us.size(); ++i) summary.ms_by_cause[i] += stall.us[i] / 1e3;
    if (stall.of_the_program_us() < stall_threshold_us) continue;
    if (lengths.empty()) first = stall.t_s;
    last = stall.t_s;
    lengths.push_back(program_ms(stall));
  }
  summary.count = lengths.size();
  if (lengths.size() > 1) summary.mean_period_s = (last - first) / static_cast<double>(lengths.size() - 1);
  summary.p50_ms = median(std::move(lengths));
  return summary;
}

void give_to_the_machine(std::vector<Stall>& stalls, const std::vector<Hiccup>& hiccups, std::int64_t ready_ns) {
  for (Stall& stall : stalls) {
    const double begin = static_cast<double>(ready_ns) + stall.t_s * 1e9;
    const double end = begin + stall.total_us * 1e3;
    double& unexplained = stall[StallCause::unexplained];
    for (const Hiccup& hiccup : hiccups) {
      if (hiccup.cpu != stall.cpu) continue;
      const double overlap_us =
          (std::min(end, static_cast<double>(hiccup.end_ns)) - std::max(begin, static_cast<double>(hiccup.begin_ns))) /
          1e3;
      const double moved = std::clamp(overlap_us, 0.0, unexplained);
      unexplained -= moved;
      stall[StallCause::machine] += moved;
    }
  }
}

std::vector<double> longest_by_period_ms(const ArmResult& arm, double period_s) {
  const double lived_s = arm.latency_series.empty() ? 0 : arm.wall_seconds;
  std::vector<double> longest(static_cast<std::size_t>(std::max(0.0, std::floor(lived_s / period_s + 0.01))), 0.0);
  for (const Stall& stall : arm.stalls) {
    const auto period = static_cast<std::size_t>(stall.t_s / period_s);
    if (period < longest.size()) longest[period] = std::max(longest[period], program_ms(stall));
  }
  return longest;
}

std::vector<double> latency_by_period_ms(const ArmResult& arm, double period_s, double quantile) {
  const double window_s = std::chrono::duration<double>(arm.spec.latency_window()).count();
  std::vector<LatencyWindow> periods;
  for (std::size_t i = 0; i < arm.latency_windows.size(); ++i) {
    const auto period = static_cast<std::size_t>((static_cast<double>(i) + 0.5) * window_s / period_s);
    if (arm.latency_windows[i].count() == 0) continue;
    if (period >= periods.size()) periods.resize(period + 1);
    periods[period].merge(arm.latency_windows[i]);
  }
  std::vector<double> result;
  for (const LatencyWindow& period : periods) result.push_back(period.quantile_us(quantile) / 1e3);
  return result;
}

std::string format_latency(const std::deque<ArmResult>& arms, bool colour) {
  constexpr int columns = 100;
  constexpr double shortest_ms = 0.1;
  constexpr int rows_a_decade = 2;
  double end_s = 0;
  double most_ms = 1;
  for (const ArmResult& arm : arms) {
    for (const LatencyMoment& moment : arm.latency_series) {
      end_s = std::max(end_s, moment.t_s);
      most_ms = std::max(most_ms, moment.max_us / 1e3);
    }
  }
  if (end_s == 0) return {};
  const auto row_of = [](double ms) {
    const double decades = std::log10(ms / shortest_ms);
    return ms <= shortest_ms ? 0 : static_cast<int>(std::ceil(decades * rows_a_decade));
  };
  std::string text;
  for (const ArmResult& arm : arms) {
    std::array<double, columns> longest{};
    for (const LatencyMoment& moment : arm.latency_series) {
      double& ms = longest[static_cast<std::size_t>(moment.t_s / end_s * (columns - 1))];
      ms = std::max(ms, moment.max_us / 1e3);
    }
    text += fmt::format("\nLongest wait of a request of {}, from its intended start (ms, over {:.0f} s)\n",
                        arm.spec.name, end_s);
    for (int row = row_of(most_ms); row >= 1; --row) {
      const double label = shortest_ms * std::pow(10, static_cast<double>(row) / rows_a_decade);
      std::string line;
      for (const double ms : longest) line += row_of(ms) >= row ? "█" : " ";
      line.erase(line.find_last_not_of(' ') + 1);
      if (colour)
        line = (row_of(most_ms) - row < row_of(most_ms) - row_of(10) ? "\033[31m" : "\033[32m") + line + "\033[0m";
      text +=
          row % rows_a_decade == 0 ? fmt::format("{:>8.4g} │{}\n", label, line) : fmt::format("{:>8} │{}\n", "", line);
    }
  }
  return text;
}

std::string format_pauses(const std::deque<ArmResult>& arms) {
  if (arms.empty() || !std::all_of(arms.begin(), arms.end(), has_pauses)) return {};
  std::string text =
      fmt::format("\n{:<36}", fmt::format("What requests over {:.0f} us waited for (ms)", stall_threshold_us));
  for (const ArmResult& arm : arms) text += fmt::format("{:>10}", arm.spec.name);
  text += "\n";
  std::vector<PauseSummary> summaries;
  for (const ArmResult& arm : arms) summaries.push_back(summarise_pauses(arm));
  for (std::size_t i = 0; i < stall_causes.size(); ++i) {
    text += fmt::format("  {:<42}", stall_causes[i]);
    for (const PauseSummary& summary : summaries) text += fmt::format("{:>10.2f}", summary.ms_by_cause[i]);
    text += fmt::format("   {}\n", what_it_is(static_cast<StallCause>(i)));
  }
  text += fmt::format("  {:<42}", "= all");
  for (const PauseSummary& summary : summaries) text += fmt::format("{:>10.2f}", summary.total_ms);
  text += fmt::format("\n  {:<42}", "requests, without what the machine added");
  for (const PauseSummary& summary : summaries) text += fmt::format("{:>10}", summary.count);
  for (const ArmResult& arm : arms) {
    if (arm.stalls_dropped > 0) text += fmt::format("\n  {}: {} more were not kept", arm.spec.name, arm.stalls_dropped);
  }
  return text + "\n";
}

}  // namespace plateau::harness
