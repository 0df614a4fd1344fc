#include "labs/harness/arm/arm_parent.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "allocators/process_memory.hpp"
#include "allocators/system/cpu_clock.hpp"
#include "labs/harness/arm/arm_block.hpp"
#include "labs/harness/arm/arm_profiles.hpp"
#include "labs/harness/arm/arm_reading.hpp"
#include "labs/harness/arm/running_arm.hpp"
#include "labs/harness/interrupt.hpp"
#include "labs/harness/measure/hiccup_meter.hpp"
#include "labs/harness/measure/pauses.hpp"
#include "labs/harness/usage_error.hpp"

namespace plateau::harness {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds sample_period{25};

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
  ArmBlock& block = arm.block();
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
    auto sampled = process_memory(arm.pid());
    const Phase phase = block.phase.load(std::memory_order_acquire);
    if (phase == Phase::ready) {  // once: it waits, and then runs
      ready = true;
      started = last_rate_time = Clock::now();
      hiccups.emplace();
      read_names(lab.description(), block, result);
      observer.ready(result);
      sampled = process_memory(arm.pid());  // that from before may be of its start
    }
    // A sample counts only if the arm was still at work after it was taken: RSS falls while a process ends.
    if ((phase == Phase::ready || phase == Phase::running) && sampled) {
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
    if (phase == Phase::ready) block.phase.store(Phase::running, std::memory_order_release);
    std::this_thread::sleep_for(sample_period);
  }

  if (hiccups) {
    hiccups->stop();
    result.hiccups = hiccups->lateness();
  }
  read_names(lab.description(), block, result);
  arm.judge_end(result);
  if (!ready) refuse_start(result);
  if (result.series.empty()) throw UsageError(fmt::format("the {} arm ended before it could be sampled", spec.name));

  result.wall_seconds = std::chrono::duration<double>(Clock::now() - started).count();
  const double total_cpu = in_seconds(cpu_time_of(arm.usage()));
  result.cpu_seconds = total_cpu - static_cast<double>(block.start_cpu_us.load()) * 1e-6;
  // The last word of the arm itself, for what it did after the last look from outside; its RSS is that of the last
  // look.
  const Sample last = result.series.back();
  result.series.push_back(
      take_sample(spec, block, {last.rss, result.peak_rss, last.anonymous, last.file, last.shared}));
  result.minor_faults = static_cast<std::uint64_t>(arm.usage().ru_minflt) - block.start_minor_faults.load();
  result.major_faults = static_cast<std::uint64_t>(arm.usage().ru_majflt);
  read_totals(lab.description(), block, result);
  if (lab.description().measures_pauses) {
    read_latency_windows(block, result);
    read_pauses(block, hiccups->hiccups(), result);
  }
  if (!spec.profile_dir.empty()) {
    CollectedProfiles collected = collect_profiles(spec);
    result.profiles = std::move(collected.files);
    result.profile_problems = std::move(collected.problems);
  }
  return result;
}

}  // namespace plateau::harness
