#include "labs/live/live_report.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string_view>

#include "labs/harness/arm/arm_reading.hpp"
#include "labs/harness/judge/result.hpp"
#include "labs/live/live_knobs.hpp"

namespace plateau::harness {
namespace json = boost::json;
namespace {

std::size_t column(std::string_view id) {
  const auto columns = live_columns();
  const auto found = std::find_if(columns.begin(), columns.end(), [id](const LiveColumn& one) { return one.id == id; });
  return static_cast<std::size_t>(found - columns.begin());
}

// Of the samples of this process, whose time begins with them.
std::vector<LatencyMoment> latency_series(const std::deque<LiveSample>& samples, std::size_t count) {
  static const std::size_t p50 = column("p50");
  static const std::size_t p99 = column("p99");
  static const std::size_t max = column("max");
  std::vector<LatencyMoment> result;
  const auto first = samples.end() - static_cast<std::ptrdiff_t>(std::min(count, samples.size()));
  for (auto sample = first; sample != samples.end(); ++sample) {
    if (std::isnan(sample->values[p50])) continue;
    result.push_back({sample->t - first->t, sample->values[p50], sample->values[p99], sample->values[max]});
  }
  return result;
}

// The fixes that are in force now, and not those that the service was started with.
std::vector<std::string> fixes_in_force(const LabDescription& lab, const ArmBlock& block) {
  std::vector<std::string> result;
  for (std::size_t fix = 0; fix < lab.fixes.size(); ++fix) {
    const auto& knob = block.knobs[static_cast<std::size_t>(KnobId::first_fix) + fix];
    if (knob.in_force.load(std::memory_order_relaxed) == 1) result.emplace_back(lab.fixes[fix].name);
  }
  return result;
}

}  // namespace

json::object live_result(const Lab& lab, const ArmSpec& spec, RunningArm& arm, const std::deque<Sample>& series,
                         const LiveFeed& feed, const std::vector<std::string>& command) {
  const LabDescription& description = lab.description();
  const ArmBlock& block = arm.block();
  ExperimentResult experiment;
  experiment.lab = description.name;
  experiment.command = command;
  experiment.description = to_json(description);
  experiment.options = spec.options;

  ArmResult& result = experiment.arms.emplace_back();
  result.spec = spec;
  result.spec.fixes = fixes_in_force(description, block);
  result.limit_kind = arm.limit_kind();
  result.allocator_environment = arm.allocator_environment();
  result.series.assign(series.begin(), series.end());
  for (const Sample& sample : series) result.peak_rss = std::max(result.peak_rss, sample.rss);
  read_names(description, block, result);
  read_totals(description, block, result);
  result.wall_seconds = static_cast<double>(block.sampled_ns.load() - block.ready_ns.load()) / 1e9;
  result.cpu_seconds = static_cast<double>(block.cpu_us.load() - block.start_cpu_us.load()) / 1e6;
  result.minor_faults = block.minor_faults.load() - block.start_minor_faults.load();
  if (result.wall_seconds > 0) result.spec.time.speedup = result.simulated_seconds() / result.wall_seconds;
  read_pauses(block, {}, result);
  result.latency_series = latency_series(feed.samples(), series.size());
  const bool ended = arm.ended();
  if (ended) arm.judge_end(result);

  json::object json = to_json(experiment);
  json::object& written = json.at("arms").at(0).as_object();
  if (!ended) written["outcome"] = running_outcome;
  written.at("memory").as_object()["major_faults"] = nullptr;  // not known while it runs
  json["live"] = json::parse(feed.seen());
  return json;
}

}  // namespace plateau::harness
