#include "labs/live/live_sample.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "profiling/waterfall/waterfall.hpp"

namespace plateau::harness {
namespace {

constexpr double unknown = LiveSample::unknown;
constexpr double window_s = 1;  // of latency and throughput

// Of the heat map: five to a decade.
constexpr double lowest_edge_us = 10;
constexpr std::size_t edges_per_decade = 5;
constexpr std::size_t edges = 7 * edges_per_decade;

constexpr std::array before_the_parts{
    LiveColumn{"rss", "memory", "RSS", "B"},
    LiveColumn{"limit", "memory", "limit", "B"},
};
constexpr std::array after_the_parts{
    LiveColumn{"allocated_bytes", "allocation", "allocation", "B/s"},
    LiveColumn{"allocated_calls", "allocation", "allocation calls", "1/s"},
    LiveColumn{"p50", "latency", "p50", "us"},
    LiveColumn{"p99", "latency", "p99", "us"},
    LiveColumn{"p999", "latency", "p99.9", "us"},
    LiveColumn{"max", "latency", "max", "us"},
    LiveColumn{"pauses", "pauses", "pauses", "1"},
    LiveColumn{"pause_ms", "pauses", "time in pauses", "ms"},
    LiveColumn{"longest_pause", "pauses", "longest pause", "ms"},
    LiveColumn{"purges", "purges", "purges", "1/s"},
    LiveColumn{"purged_bytes", "purges", "purged", "B/s"},
    LiveColumn{"purge_ms", "purges", "time in purges", "ms/s"},
    LiveColumn{"faults", "faults", "minor faults", "1/s"},
    LiveColumn{"load", "load", "load, as asked for", "1/s"},
    LiveColumn{"done", "load", "operations done", "1/s"},
    LiveColumn{"cpu", "cpu", "CPU of the service", "%"},
    LiveColumn{"dashboard_cpu", "cpu", "CPU of the service for this dashboard", "%"},
};

// A part of the waterfall is a column, by its id.
std::vector<LiveColumn> all_columns() {
  std::vector<LiveColumn> columns(before_the_parts.begin(), before_the_parts.end());
  for (const WaterfallPart& part : waterfall_parts()) columns.push_back({part.id, "rss", part.name, "B"});
  columns.insert(columns.end(), after_the_parts.begin(), after_the_parts.end());
  return columns;
}

double number(const std::optional<std::uint64_t>& value) {
  return value ? static_cast<double>(*value) : unknown;
}

LatencyHistogram all_workers(const ArmBlock& block) {
  LatencyHistogram sum;
  for (const LatencyHistogram& worker : block.latency) sum.merge(worker);
  return sum;
}

void add_memory(const ArmSpec& spec, const ArmBlock& block, const ProcessMemory& process, std::vector<double>& values) {
  values.push_back(static_cast<double>(process.rss_bytes));
  values.push_back(number(spec.memory_limit));
  const std::vector<MeasuredPart> measured = measure_waterfall({.heap = block.heap.get(),
                                                                .rss_bytes = process.rss_bytes,
                                                                .file_bytes = process.file_bytes,
                                                                .shared_bytes = process.shared_bytes});
  for (const WaterfallPart& part : waterfall_parts()) {
    const auto bytes = bytes_of(measured, part.id);
    values.push_back(bytes ? static_cast<double>(*bytes) : unknown);
  }
}

}  // namespace

std::span<const LiveColumn> live_columns() {
  static const std::vector<LiveColumn> columns = all_columns();
  return columns;
}

std::vector<double> LiveSampler::latency_edges_us() {
  std::vector<double> result;
  for (std::size_t i = 0; i < edges; ++i) {
    result.push_back(lowest_edge_us * std::pow(10.0, static_cast<double>(i) / edges_per_decade));
  }
  return result;
}

LiveSample LiveSampler::take(double t, const ArmBlock& block, const ProcessMemory& process) {
  LiveSample sample;
  sample.t = t;
  std::vector<double>& values = sample.values;
  values.reserve(live_columns().size());
  add_memory(spec_, block, process, values);

  update_rates(block);
  const auto rate = [this](Rate which, double unit) { return totals_[which].rate / unit; };
  values.push_back(rate(allocated_bytes, 1));
  values.push_back(rate(allocated_calls, 1));

  Past now{t, all_workers(block), block.total_operations()};
  sample.latency.assign(edges, 0);
  std::size_t edge = 0;
  const std::vector<double> upper_edges = latency_edges_us();
  for (const auto& [upper, count] :
       now.latency.since(past_.empty() ? LatencyHistogram() : past_.back().latency).buckets()) {
    // An edge of the finer histogram that equals one of these may be off by a rounding.
    while (edge + 1 < edges && upper > upper_edges[edge] * 1.001) ++edge;
    sample.latency[edge] += static_cast<std::uint32_t>(count);
  }
  while (past_.size() > 1 && past_[1].t <= t - window_s) past_.pop_front();
  const bool has_past = !past_.empty();
  const LatencyHistogram recent = has_past ? now.latency.since(past_.front().latency) : LatencyHistogram();
  for (const double q : {0.5, 0.99, 0.999, 1.0}) values.push_back(recent.count() > 0 ? recent.quantile_us(q) : unknown);

  double pauses = 0;
  double pause_ms = 0;
  double longest_ms = 0;
  for (std::size_t lane = 0; lane < lab_.lanes; ++lane) {
    next_stall_[lane] = block.stalls[lane].read_from(next_stall_[lane], [&](const Stall& stall) {
      ++pauses;
      pause_ms += stall.total_us / 1e3;
      longest_ms = std::max(longest_ms, stall.total_us / 1e3);
    });
  }
  values.insert(values.end(), {pauses, pause_ms, longest_ms});

  values.push_back(rate(purges, 1));
  values.push_back(rate(purge_bytes, 1));
  values.push_back(rate(purge_ns, 1e6));
  values.push_back(rate(faults, 1));
  values.push_back(block.knobs[static_cast<std::size_t>(KnobId::load)].in_force.load(std::memory_order_relaxed));
  values.push_back(has_past ? static_cast<double>(now.operations - past_.front().operations) / (t - past_.front().t)
                            : unknown);
  values.push_back(rate(cpu, 1e4));      // us/s as %
  values.push_back(rate(own_cpu, 1e7));  // ns/s as %
  past_.push_back(std::move(now));
  return sample;
}

void LiveSampler::update_rates(const ArmBlock& block) {
  const std::int64_t sampled_ns = block.sampled_ns.load(std::memory_order_acquire);
  if (sampled_ns == sampled_ns_) return;  // the service has not looked at itself since
  const double passed = static_cast<double>(sampled_ns - sampled_ns_) / 1e9;
  const auto update = [&](Rate which, double value) {
    Total& total = totals_[which];
    total.rate = sampled_ns_ == 0 ? unknown : (value - total.value) / passed;
    total.value = value;
  };
  const auto load = [](const std::atomic<std::uint64_t>& value) {
    return static_cast<double>(value.load(std::memory_order_relaxed));
  };
  update(allocated_bytes, load(block.allocation_bytes));
  update(allocated_calls, load(block.allocation_calls));
  update(purges, number(block.heap.get().purges));
  update(purge_bytes, number(block.purge_bytes.get()));
  update(purge_ns, number(block.purge_ns.get()));
  update(faults, load(block.minor_faults));
  update(cpu, load(block.cpu_us));
  update(own_cpu, load(block.sampler_cpu_ns));
  sampled_ns_ = sampled_ns;
}

}  // namespace plateau::harness
