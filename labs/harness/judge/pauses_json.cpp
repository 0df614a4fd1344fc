#include "labs/harness/judge/pauses_json.hpp"

#include <optional>

#include "labs/harness/measure/pauses.hpp"

namespace plateau::harness {
namespace json = boost::json;

json::value pauses_json(const ArmResult& arm) {
  if (!has_pauses(arm)) return nullptr;
  const PauseSummary summary = summarise_pauses(arm);
  const auto or_null = [](const std::optional<double>& value) {
    return value ? json::value(*value) : json::value(nullptr);
  };
  json::object by_cause;
  for (std::size_t i = 0; i < stall_causes.size(); ++i) by_cause[stall_causes[i]] = summary.ms_by_cause[i];
  json::array series;
  for (const Stall& stall : arm.stalls) {
    series.push_back(
        json::array{stall.t_s, stall.total_us / 1e3, stall_causes[static_cast<std::size_t>(stall.largest())]});
  }
  return json::object{{"threshold_us", stall_threshold_us},
                      {"count", summary.count},
                      {"mean_period_s", or_null(summary.mean_period_s)},
                      {"p50_ms", or_null(summary.p50_ms)},
                      {"max_ms", summary.max_ms},
                      {"total_ms", summary.total_ms},
                      {"by_cause", by_cause},
                      {"series", series},
                      {"dropped", arm.stalls_dropped}};
}

json::value latency_series_json(const ArmResult& arm) {
  if (!has_pauses(arm)) return nullptr;
  json::array series;
  for (const LatencyMoment& moment : arm.latency_series) {
    series.push_back(json::object{
        {"t", moment.t_s}, {"p50_us", moment.p50_us}, {"p99_us", moment.p99_us}, {"max_us", moment.max_us}});
  }
  return series;
}

}  // namespace plateau::harness
