// An arm: one run of a lab with a set of fixes, on one allocator with one configuration, in a process of its own. What
// is asked of it and what came of it.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "labs/harness/arm/capacity.hpp"
#include "labs/harness/arm/memory_limit.hpp"
#include "labs/harness/arm/simulated_time.hpp"
#include "labs/harness/lab_options.hpp"
#include "labs/harness/measure/latency_histogram.hpp"
#include "labs/harness/measure/latency_windows.hpp"
#include "labs/harness/measure/sample.hpp"
#include "labs/harness/measure/stall.hpp"

namespace plateau::harness {

inline constexpr std::uint64_t endless = std::numeric_limits<std::uint64_t>::max() / 4;  // operations

struct ArmSpec {
  std::string name;                // "before", "after", "only-query", …; unique in an experiment, used in file names
  std::vector<std::string> fixes;  // wrong fixes too
  std::string allocator = "jemalloc";
  std::optional<std::uint64_t> memory_limit;
  double hours = 24;  // simulated
  TimeScale time;
  std::optional<Capacity> capacity;  // by which the speed-up was chosen; empty where it was not chosen
  // Of a service, which goes on until it is ended: operations a second of wall clock at its start. Its wall-clock knobs
  // are not compressed. Empty: an experiment.
  std::optional<double> service_rate;
  // How many operations a batch has: all are there at the start and are done as fast as the arm can, by the wall clock.
  // Empty: no batch.
  std::optional<std::uint64_t> batch;
  std::uint64_t seed = 1;
  std::string profile_dir;    // empty: no heap profiles
  bool profile_raw = false;   // keep the allocator's own dumps beside them
  std::string pprof_address;  // ADDRESS:PORT of the debug server while it runs; empty: none
  std::string trace_file;     // timeline in Chrome's trace-event format; empty: none
  LabOptions options;         // the lab's own

  // Whether the allocator has to record stacks.
  bool profiled() const { return !profile_dir.empty() || !pprof_address.empty(); }
  bool has(std::string_view fix) const { return std::find(fixes.begin(), fixes.end(), fix) != fixes.end(); }
  std::uint64_t operations() const {
    return service_rate ? endless : batch ? *batch : time.operations_in(hours * 3600);
  }
  double operations_per_wall_second() const { return service_rate.value_or(time.operations_per_second * time.speedup); }
  // Wall-clock length of a window of latency over time.
  std::chrono::nanoseconds latency_window() const {
    return LatencyWindows::length_for(service_rate ? std::chrono::minutes(10) : time.due(operations()));
  }
};

// Latency of the operations that were due in a window of the run, in microseconds.
struct LatencyMoment {
  double t_s = 0;  // its beginning, wall clock since the arm was ready
  double p50_us = 0;
  double p99_us = 0;
  double max_us = 0;
};

enum class Outcome { completed, oom_killed, allocation_failed, failed };
inline constexpr std::array all_outcomes{Outcome::completed, Outcome::oom_killed, Outcome::allocation_failed,
                                         Outcome::failed};

std::string_view to_string(Outcome outcome);
// Stands in place of an outcome in the result of a service that has none yet.
inline constexpr std::string_view running_outcome = "running";

struct ArmResult {
  ArmSpec spec;
  Outcome outcome = Outcome::failed;
  std::string message;   // why it failed
  std::string evidence;  // the kernel's own words about the limit
  LimitKind limit_kind = LimitKind::none;
  std::string allocator_name, allocator_version, allocator_configuration, allocator_library;
  std::vector<std::string> allocator_environment;  // NAME=value, as given to the arm
  std::vector<Sample> series;                      // the first sample is of when the arm had just become ready
  std::uint64_t peak_rss = 0;
  std::uint64_t operations = 0;
  double wall_seconds = 0;  // since the arm was ready
  double cpu_seconds = 0;
  std::uint64_t allocation_calls = 0;  // of the general heap since the arm was ready
  std::uint64_t allocation_bytes = 0;
  std::vector<std::vector<std::uint64_t>> digests;  // by lane, a digest a batch
  std::map<std::string, double> gauges;
  LatencyHistogram latency;
  LatencyHistogram hiccups;
  // Of labs that measure pauses and of services, and so are the stalls; in order of time.
  std::vector<LatencyMoment> latency_series;
  std::vector<LatencyWindow> latency_windows;  // what the series is of, all lanes together
  std::vector<Stall> stalls;
  std::uint64_t stalls_dropped = 0;
  double longest_of_the_program_us = 0;  // of all operations, and without what the machine added
  std::optional<std::uint64_t> purges;
  std::optional<std::uint64_t> madvise_calls;
  std::uint64_t minor_faults = 0;
  std::uint64_t major_faults = 0;
  std::map<std::string, std::string> profiles;  // "start", "peak", "end", "near-limit-1", … to file
  std::vector<std::string> profile_problems;    // a line for each that could not be written

  bool out_of_memory() const { return outcome == Outcome::oom_killed || outcome == Outcome::allocation_failed; }
  // MALLOC_CONF as given to the arm; empty when it was given none.
  std::string malloc_conf() const;
  double simulated_seconds() const { return spec.batch ? wall_seconds : spec.time.seconds_of(operations); }
  // Share of the CPUs that were to be had before the run; empty where they were not measured.
  std::optional<double> cpu_share() const;
  // The last sample at or before simulated second `t`; null when the arm did not live that long.
  const Sample* at(double t) const;
  // Between two moments of the series; empty when they are not in it or are the same.
  std::optional<double> bytes_per_simulated_second(double from_s, double to_s) const;
  std::optional<double> calls_per_operation(double from_s, double to_s) const;
};

}  // namespace plateau::harness
