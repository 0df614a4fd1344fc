#include "labs/harness/arm/arm_reading.hpp"

#include <algorithm>
#include <chrono>

#include "labs/harness/measure/pauses.hpp"

namespace plateau::harness {
namespace {

double seconds_since_ready(const ArmBlock& block) {
  const std::int64_t ready_ns = block.ready_ns.load(std::memory_order_relaxed);
  if (ready_ns == 0) return 0;
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch() -
                                       std::chrono::nanoseconds(ready_ns))
      .count();
}

}  // namespace

Sample take_sample(const ArmSpec& spec, const ArmBlock& block, const ProcessMemory& process) {
  Sample sample;
  sample.operations = block.total_operations();
  sample.t = spec.batch ? seconds_since_ready(block) : spec.time.seconds_of(sample.operations);
  sample.rss = process.rss_bytes;
  sample.anonymous = process.anonymous_bytes;
  sample.file = process.file_bytes;
  sample.shared = process.shared_bytes;
  sample.heap = block.heap.get();
  sample.allocation_calls = block.allocation_calls.load(std::memory_order_relaxed);
  sample.allocation_bytes = block.allocation_bytes.load(std::memory_order_relaxed);
  return sample;
}

void read_names(const LabDescription& lab, const ArmBlock& block, ArmResult& result) {
  result.allocator_name = load_text(block.allocator_name);
  result.allocator_version = load_text(block.allocator_version);
  result.allocator_configuration = load_text(block.allocator_configuration);
  result.allocator_library = load_text(block.allocator_library);
  result.message = load_text(block.message);
  for (std::size_t i = 0; i < lab.gauges.size(); ++i)
    result.gauges[std::string(lab.gauges[i])] = block.gauges[i].load();
}

void read_latency_windows(const ArmBlock& block, ArmResult& result) {
  const std::chrono::duration<double> window = result.spec.latency_window();
  for (std::size_t i = 0; i < LatencyWindows::count; ++i) {
    LatencyWindow all;
    for (const LatencyWindows& lane : block.latency_windows) all.merge(lane[i]);
    result.latency_windows.push_back(all);
    if (all.count() == 0) continue;
    result.latency_series.push_back(
        {static_cast<double>(i) * window.count(), all.quantile_us(0.5), all.quantile_us(0.99), all.max_us()});
  }
}

void read_pauses(const ArmBlock& block, const std::vector<Hiccup>& hiccups, ArmResult& result) {
  for (const StallSeries& lane : block.stalls) {
    const auto count = lane.read_from(0, [&](const Stall& stall) { result.stalls.push_back(stall); });
    result.stalls_dropped += count - std::min<std::uint64_t>(count, StallSeries::capacity);
    result.longest_of_the_program_us = std::max(result.longest_of_the_program_us, lane.longest_short_us.load());
  }
  give_to_the_machine(result.stalls, hiccups, block.ready_ns.load());
  for (const Stall& stall : result.stalls) {
    result.longest_of_the_program_us = std::max(result.longest_of_the_program_us, stall.of_the_program_us());
  }
  std::sort(result.stalls.begin(), result.stalls.end(), [](const Stall& a, const Stall& b) { return a.t_s < b.t_s; });
}

void read_totals(const LabDescription& lab, const ArmBlock& block, ArmResult& result) {
  result.operations = block.total_operations();
  result.allocation_calls = result.series.back().allocation_calls - result.series.front().allocation_calls;
  result.allocation_bytes = result.series.back().allocation_bytes - result.series.front().allocation_bytes;
  const HeapStatistics heap = block.heap.get();
  result.purges = heap.purges;
  result.madvise_calls = heap.madvise_calls;
  for (const LatencyHistogram& worker : block.latency) result.latency.merge(worker);
  for (std::size_t lane = 0; lane < lab.lanes; ++lane) {
    const DigestSeries& series = block.digests[lane];
    const auto count = series.count.load(std::memory_order_acquire);
    result.digests.emplace_back(series.digest.begin(), series.digest.begin() + count);
  }
}

}  // namespace plateau::harness
