#include "labs/harness/arm_parent.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "allocators/process_memory.hpp"
#include "labs/harness/arm_block.hpp"
#include "labs/harness/arm_profiles.hpp"
#include "labs/harness/hiccup_meter.hpp"
#include "labs/harness/interrupt.hpp"
#include "labs/harness/pauses.hpp"
#include "labs/harness/running_arm.hpp"
#include "labs/harness/usage_error.hpp"

namespace plateau::harness {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds sample_period{25};

double cpu_seconds_of(const rusage& usage) {
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Sample take_sample(const ArmSpec& spec, const ArmBlock& block, const ProcessMemory& process) {
  Sample sample;
  sample.operations = block.total_operations();
  sample.t = spec.time.seconds_of(sample.operations);
  sample.rss = process.rss_bytes;
  sample.anonymous = process.anonymous_bytes;
  sample.requested = block.heap.requested.get();
  sample.allocated = block.heap.allocated.get();
  sample.active = block.heap.active.get();
  sample.resident = block.heap.resident.get();
  sample.retained = block.heap.retained.get();
  sample.metadata = block.heap.metadata.get();
  sample.dirty = block.heap.dirty.get();
  sample.slab_bytes = block.heap.slab_bytes.get();
  sample.slab_region_bytes = block.heap.slab_region_bytes.get();
  sample.allocation_calls = block.allocation_calls.load(std::memory_order_relaxed);
  sample.allocation_bytes = block.allocation_bytes.load(std::memory_order_relaxed);
  return sample;
}

void read_block(const LabDescription& lab, const ArmBlock& block, ArmResult& result) {
  result.allocator_name = load_text(block.allocator_name);
  result.allocator_version = load_text(block.allocator_version);
  result.allocator_configuration = load_text(block.allocator_configuration);
  result.allocator_library = load_text(block.allocator_library);
  result.message = load_text(block.message);
  for (std::size_t i = 0; i < lab.gauges.size(); ++i)
    result.gauges[std::string(lab.gauges[i])] = block.gauges[i].load();
}

void read_pauses(const ArmBlock& block, const std::vector<Hiccup>& hiccups, ArmResult& result) {
  const std::chrono::duration<double> window = result.spec.latency_window();
  for (std::size_t i = 0; i < LatencyWindows::count; ++i) {
    LatencyWindow all;
    for (const LatencyWindows& lane : block.latency_windows) all.merge(lane[i]);
    result.latency_windows.push_back(all);
    if (all.count() == 0) continue;
    result.latency_series.push_back(
        {static_cast<double>(i) * window.count(), all.quantile_us(0.5), all.quantile_us(0.99), all.max_us()});
  }
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

[[noreturn]] void refuse_start(const ArmResult& result) {
  if (result.out_of_memory()) {
    throw UsageError(
        fmt::format("the memory limit of {} MiB is smaller than the start-up heap: the {} arm ran out before it was "
                    "ready; give a larger --memory-limit",
                    result.spec.memory_limit.value_or(0) >> 20, result.spec.name));
  }
  throw UsageError(fmt::format("the {} arm could not start: {}", result.spec.name, result.message));
}

}  // namespace

ArmResult run_arm(const Lab& lab, const ArmSpec& spec, const ArmObserver& observer) {
  ArmResult result;
  result.spec = spec;
  if (!spec.profile_dir.empty()) remove_profiles(spec);

  RunningArm arm(lab, result.spec);
  const ArmBlock& block = arm.block();
  result.limit_kind = arm.limit_kind();
  result.allocator_environment = arm.allocator_environment();
  std::optional<HiccupMeter> hiccups;  // from when the arm is ready

  bool ready = false;
  Clock::time_point started;
  Clock::time_point last_rate_time;
  std::uint64_t last_rate_operations = 0;
  std::optional<double> rate;  // orders a second of wall clock, over the last half second or more
  while (!arm.ended()) {
    if (interrupted()) throw Interrupted();  // the destructors end the child, the peer and the cgroup
    const auto sampled = process_memory(arm.pid());
    const Phase phase = block.phase.load(std::memory_order_acquire);
    if (!ready && phase != Phase::starting) {
      ready = true;
      started = last_rate_time = Clock::now();
      hiccups.emplace();
      read_block(lab.description(), block, result);
      observer.ready(result);
    }
    // A sample counts only if the arm was still at work after it was taken: RSS falls while a process ends.
    if (phase == Phase::running && sampled) {
      const Sample sample = take_sample(spec, block, *sampled);
      result.peak_rss = std::max({result.peak_rss, sampled->rss_bytes, sampled->peak_rss_bytes});
      result.series.push_back(sample);
      const auto now = Clock::now();
      if (const double passed = std::chrono::duration<double>(now - last_rate_time).count(); passed > 0.5) {
        rate = static_cast<double>(sample.operations - last_rate_operations) / passed;
        last_rate_time = now;
        last_rate_operations = sample.operations;
      }
      observer.sampled(result, sample, rate);
    }
    std::this_thread::sleep_for(sample_period);
  }

  if (hiccups) {
    hiccups->stop();
    result.hiccups = hiccups->lateness();
  }
  read_block(lab.description(), block, result);
  arm.judge_end(result);
  if (!ready || block.phase.load() == Phase::starting) refuse_start(result);
  if (result.series.empty()) throw UsageError(fmt::format("the {} arm ended before it could be sampled", spec.name));

  result.operations = block.total_operations();
  result.wall_seconds = std::chrono::duration<double>(Clock::now() - started).count();
  const double total_cpu = cpu_seconds_of(arm.usage());
  result.cpu_seconds = total_cpu - static_cast<double>(block.start_cpu_us.load()) * 1e-6;
  // The last word of the arm itself, for what it did after the last look from outside; its RSS is that of the last
  // look.
  const Sample last = result.series.back();
  result.series.push_back(take_sample(spec, block, {last.rss, result.peak_rss, last.anonymous}));
  result.allocation_calls = result.series.back().allocation_calls - result.series.front().allocation_calls;
  result.allocation_bytes = result.series.back().allocation_bytes - result.series.front().allocation_bytes;
  result.purges = block.heap.purges.get();
  result.madvise_calls = block.heap.madvise_calls.get();
  result.minor_faults = static_cast<std::uint64_t>(arm.usage().ru_minflt) - block.start_minor_faults.load();
  result.major_faults = static_cast<std::uint64_t>(arm.usage().ru_majflt);
  for (const LatencyHistogram& worker : block.latency) result.latency.merge(worker);
  if (lab.description().measures_pauses) read_pauses(block, hiccups->hiccups(), result);
  for (std::size_t lane = 0; lane < lab.description().lanes; ++lane) {
    const DigestSeries& series = block.digests[lane];
    const auto count = series.count.load(std::memory_order_acquire);
    result.digests.emplace_back(series.digest.begin(), series.digest.begin() + count);
  }
  if (!spec.profile_dir.empty()) result.profiles = collect_profiles(spec);
  return result;
}

}  // namespace plateau::harness
