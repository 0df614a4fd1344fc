#include "labs/order_batch/targets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "labs/order_batch/calibration.hpp"
#include "labs/order_batch/gauges.hpp"

namespace plateau::order_batch {
namespace {

using harness::ArmResult;
using harness::VerdictRow;

// The case study's figures.
constexpr double case_before = 100;  // orders a second
constexpr double case_after = 833;
// Beyond them.
constexpr double goal_after = 5000;
constexpr double most_rss_over_in_flight = 1.3;
constexpr double most_prediction_error = 10;  // percent
// A shorter batch is over before its pool is busy.
constexpr std::uint64_t least_judged_orders = 2000;

double gauge(const ArmResult& arm, GaugeIndex index) {
  return arm.gauges.at(std::string(batch_gauges[index]));
}

std::optional<double> orders_a_second(const ArmResult& arm) {
  const double seconds = gauge(arm, gauge_seconds);
  if (!(seconds > 0)) return std::nullopt;
  return gauge(arm, gauge_acknowledged) / seconds;
}

std::optional<double> cpu_share(const ArmResult& arm, double cores) {
  return arm.wall_seconds > 0 ? std::optional(arm.cpu_seconds / arm.wall_seconds / cores * 100) : std::nullopt;
}

VerdictRow share_row(const char* metric, GaugeIndex index, const ArmResult& before, const ArmResult& after) {
  const auto share = [index](const ArmResult& arm) {
    const double all = gauge(arm, gauge_compute_ms) + gauge(arm, gauge_partner_ms) + gauge(arm, gauge_commit_ms);
    return gauge(arm, index) / all * 100;
  };
  VerdictRow row{.metric = metric, .unit = "%", .before = share(before), .after = share(after)};
  row.note = fmt::format("{:.2f} and {:.2f} ms", gauge(before, index), gauge(after, index));
  return row;
}

double at_once(const ArmResult& arm) {
  return gauge(arm, gauge_most_in_flight);
}

}  // namespace

harness::Verdict judge_order_batch(const ArmResult& before, const ArmResult& after) {
  harness::Verdict verdict;
  const auto add = [&verdict](VerdictRow row) { verdict.rows.push_back(std::move(row)); };
  const std::uint64_t orders = before.spec.batch.value_or(0);
  const double cores = std::max(static_cast<double>(after.spec.options.number<std::uint64_t>("cores")), 1.0);
  const bool long_enough = orders >= least_judged_orders;
  const std::string short_batch = fmt::format("judged with {} orders or more", least_judged_orders);

  VerdictRow rate{.metric = "orders a second", .before = orders_a_second(before), .after = orders_a_second(after)};
  const double alone = gauge(before, gauge_predicted_rate);
  if (std::abs(alone - case_before) <= harness::calibration_tolerance * case_before) {
    rate.hold_before_within_tolerance(case_before);
  } else {
    rate.note = fmt::format("not judged: at the start an order alone took {:.1f} ms here", 1e3 / alone);
  }
  add(rate);

  VerdictRow after_rate{.metric = "the same, after", .after = rate.after, .target = case_after};
  after_rate.relation = "after at least";
  if (long_enough && rate.after) after_rate.holds = *rate.after >= case_after;
  after_rate.note = long_enough ? fmt::format("the goal on two cores is {:.0f}", goal_after) : short_batch;
  add(after_rate);

  add({.metric = "the whole batch",
       .unit = "s",
       .before = gauge(before, gauge_seconds),
       .after = gauge(after, gauge_seconds)});

  add(share_row("of an order: computing", gauge_compute_ms, before, after));
  add(share_row("of an order: waiting for the partner", gauge_partner_ms, before, after));
  add(share_row("of an order: commit", gauge_commit_ms, before, after));

  VerdictRow cpu{
      .metric = "CPU, of all cores", .unit = "%", .before = cpu_share(before, cores), .after = cpu_share(after, cores)};
  if (rate.before && rate.after) {
    const auto by_law = [&](double a_second, const ArmResult& arm) {
      return std::min(100.0, a_second * gauge(arm, gauge_compute_ms) / 1e3 / cores * 100);
    };
    cpu.note = fmt::format("by the law (rate x compute / cores) {:.1f} and {:.1f}; {:.0f} workers",
                           by_law(*rate.before, before), by_law(*rate.after, after), gauge(after, gauge_workers));
  }
  add(cpu);

  add({.metric = "wait of an order from submission, P99",
       .unit = "ms",
       .before = before.latency.quantile_us(0.99) / 1e3,
       .after = after.latency.quantile_us(0.99) / 1e3,
       .note = "after: mostly the wait for a worker, behind what backpressure lets in"});

  const auto in_flight = after.spec.options.number<double>("in_flight");
  // Else the bound is not met, and nothing fills it.
  const bool fills = at_once(after) > 0.9 * in_flight;
  const std::string unfilled = "judged where the batch is larger than what may be in flight";
  VerdictRow growth{.metric = "growth of RSS over orders in flight, at their most"};
  const auto growth_of = [](const ArmResult& arm) {
    return (static_cast<double>(arm.peak_rss) - gauge(arm, gauge_start_rss)) / at_once(arm);
  };
  growth.after = growth_of(after);
  growth.hold_after_at_most(most_rss_over_in_flight, fills ? "" : unfilled);
  add(growth);

  VerdictRow peak{.metric = "peak RSS",
                  .unit = "MB",
                  .before = static_cast<double>(before.peak_rss) / 1e6,
                  .after = static_cast<double>(after.peak_rss) / 1e6};
  add(peak);
  VerdictRow predicted{.metric = "peak RSS, furthest from its prediction", .unit = "%"};
  const auto error = [](const ArmResult& arm) {
    return std::abs(gauge(arm, gauge_predicted_peak) / static_cast<double>(arm.peak_rss) - 1) * 100;
  };
  predicted.before = error(before);
  predicted.after = error(after);
  predicted.hold_after_at_most(most_prediction_error, fills ? "" : unfilled);
  add(predicted);

  const auto total = static_cast<double>(orders);
  VerdictRow lost{.metric = "orders acknowledged and in the store, once",
                  .before = gauge(before, gauge_in_store),
                  .after = gauge(after, gauge_in_store),
                  .target = total};
  lost.relation = "all";
  lost.holds = gauge(before, gauge_in_store) == total && gauge(after, gauge_in_store) == total &&
               gauge(before, gauge_acknowledged) == total && gauge(after, gauge_acknowledged) == total;
  add(lost);

  add({.metric = "refusals of the partner",
       .before = gauge(before, gauge_refusals),
       .after = gauge(after, gauge_refusals),
       .note = "each is asked for again"});
  add({.metric = "commits", .before = gauge(before, gauge_commits), .after = gauge(after, gauge_commits)});

  const auto per_order = [](double amount, const ArmResult& arm) {
    return amount / static_cast<double>(std::max<std::uint64_t>(arm.operations, 1));
  };
  add({.metric = "heap calls an order",
       .before = per_order(static_cast<double>(before.allocation_calls), before),
       .after = per_order(static_cast<double>(after.allocation_calls), after)});
  add({.metric = "CPU an order",
       .unit = "us",
       .before = per_order(before.cpu_seconds * 1e6, before),
       .after = per_order(after.cpu_seconds * 1e6, after)});

  add(harness::same_output(before, after));
  return verdict;
}

std::string figures_of_wrong_fix(const ArmResult& wrong, const ArmResult& all) {
  const auto an_order = [](const ArmResult& arm, GaugeIndex index) {
    return gauge(arm, index) / static_cast<double>(std::max<std::uint64_t>(arm.operations, 1));
  };
  if (wrong.spec.has("workers-x10")) {
    return fmt::format("{:.0f} workers and {:.0f} refusals, with all fixes {:.0f} and {:.0f}",
                       gauge(wrong, gauge_workers), gauge(wrong, gauge_refusals), gauge(all, gauge_workers),
                       gauge(all, gauge_refusals));
  }
  if (wrong.spec.has("burst-infinite")) {
    return fmt::format("{:.0f} refusals of the partner, with all fixes {:.0f}", gauge(wrong, gauge_refusals),
                       gauge(all, gauge_refusals));
  }
  if (wrong.spec.has("narenas-1")) {
    return fmt::format("{:.1f} foreign frees an order, with all fixes {:.1f}", an_order(wrong, gauge_foreign_frees),
                       an_order(all, gauge_foreign_frees));
  }
  if (wrong.spec.has("acknowledge-first")) {
    return fmt::format("{:.0f} acknowledged orders at once that no disk had, with all fixes {:.0f}",
                       gauge(wrong, gauge_not_durable), gauge(all, gauge_not_durable));
  }
  if (wrong.spec.has("unbounded-queue")) {
    if (std::isnan(at_once(wrong))) {
      return fmt::format("what was in flight it could not tell any more, with all fixes {:.0f} MB", at_once(all) / 1e6);
    }
    return fmt::format("{:.0f} MB of orders in flight at once, with all fixes {:.0f}", at_once(wrong) / 1e6,
                       at_once(all) / 1e6);
  }
  return {};
}

}  // namespace plateau::order_batch
