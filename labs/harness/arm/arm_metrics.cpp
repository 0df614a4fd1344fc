#include "labs/harness/arm/arm_metrics.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "profiling/metric_families.hpp"

namespace plateau::harness {
namespace {

std::optional<double> scaled(const SharedNumber& number, double unit) {
  const auto value = number.get();
  return value ? std::optional(static_cast<double>(*value) / unit) : std::nullopt;
}

void add_latency(const LabDescription& lab, const ArmBlock& block, MetricFamilies& families) {
  LatencyHistogram latency;
  for (const LatencyHistogram& worker : block.latency) latency.merge(worker);
  double sum_us = 0;
  for (const auto& [upper_us, count] : latency.buckets()) sum_us += upper_us * static_cast<double>(count);
  std::vector<MetricFamilies::Quantile> quantiles;
  for (const double q : {0.5, 0.9, 0.99, 0.999}) {
    if (latency.count() > 0) quantiles.push_back({q, latency.quantile_us(q) / 1e6});
  }
  families.summary("plateau_latency_seconds",
                   fmt::format("From the intended start of a {} to its end, since the start; at most 2.3 % too long.",
                               lab.operation),
                   quantiles, sum_us / 1e6, latency.count());
}

}  // namespace

void add_arm_metrics(const LabDescription& lab, const ArmSpec& spec, const ArmBlock& block, MetricFamilies& families) {
  families.counter("plateau_operations_total", fmt::format("Times that a {} was completed.", lab.operation),
                   static_cast<double>(block.total_operations()));
  families.counter("plateau_allocations_total", "Calls of the general heap's allocation functions.",
                   static_cast<double>(block.allocation_calls.load(std::memory_order_relaxed)));
  families.counter("plateau_allocated_bytes_total", "Bytes that these calls gave.",
                   static_cast<double>(block.allocation_bytes.load(std::memory_order_relaxed)));
  add_latency(lab, block, families);
  if (lab.measures_pauses || spec.service_rate) {
    std::uint64_t pauses = 0;
    for (const StallSeries& lane : block.stalls) pauses += lane.count.load(std::memory_order_relaxed);
    families.counter(
        "plateau_pauses_total",
        fmt::format("Times that a {} kept its thread for {} us or more.", lab.operation, stall_threshold_us),
        static_cast<double>(pauses));
  }
  families.counter("plateau_purge_calls_total", "Calls by which pages were given back, as timed by the purge trace.",
                   scaled(block.purge_calls, 1));
  families.counter("plateau_purged_bytes_total", "Bytes given back by these calls.", scaled(block.purge_bytes, 1));
  families.counter("plateau_purge_seconds_total", "Time in these calls.", scaled(block.purge_ns, 1e9));
  std::vector<std::pair<std::string, double>> gauges;
  for (std::size_t i = 0; i < lab.gauges.size(); ++i) {
    if (const double value = block.gauges[i].load(std::memory_order_relaxed); !std::isnan(value)) {
      gauges.emplace_back(lab.gauges[i], value);
    }
  }
  families.gauges("plateau_lab", "The lab's own figures, by name.", "figure", gauges);
}

}  // namespace plateau::harness
