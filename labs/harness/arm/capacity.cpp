#include "labs/harness/arm/capacity.hpp"

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "allocators/system/cpu_clock.hpp"
#include "labs/harness/arm/arm_parent.hpp"
#include "labs/harness/usage_error.hpp"

namespace plateau::harness {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds counting_time{200};
constexpr double second_of_wall_clock = 1;

double cpus_to_be_had(std::size_t threads) {
  const auto begin = Clock::now();
  const auto cpu_before = process_cpu_time();
  std::vector<std::thread> counting;
  for (std::size_t i = 0; i < threads; ++i) {
    counting.emplace_back([end = begin + counting_time] {
      while (Clock::now() < end) {
      }
    });
  }
  for (std::thread& one : counting) one.join();
  const std::chrono::duration<double> wall = Clock::now() - begin;
  return in_seconds(process_cpu_time() - cpu_before) / wall.count();
}

}  // namespace

Capacity measure_capacity(const Lab& lab, const ArmSpec& spec, std::size_t lanes) {
  Capacity capacity{.cpus = cpus_to_be_had(lanes)};
  ArmSpec trial = spec;
  trial.name += "-trial";
  trial.memory_limit.reset();
  trial.profile_dir.clear();
  trial.pprof_address.clear();
  trial.trace_file.clear();
  trial.hours = std::min(spec.hours, spec.time.speedup * second_of_wall_clock / 3600);
  const ArmResult result = run_arm(lab, trial, {});
  if (result.outcome == Outcome::failed) throw UsageError("the " + spec.name + " arm failed: " + result.message);
  capacity.cpu_us_an_operation =
      result.cpu_seconds * 1e6 / static_cast<double>(std::max<std::uint64_t>(result.operations, 1));
  return capacity;
}

}  // namespace plateau::harness
