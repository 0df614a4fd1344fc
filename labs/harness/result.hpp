// clang-format off
// The result of an experiment as JSON: what `--json` writes, and all that reports, tests and checks read.
//
// { "schema": 1, "lab": TEXT, "machine": {"kernel", "cpus", "memory_bytes", "transparent_huge_pages"}, "options": {…},
//   "arms": [ {
//     "name", "fixes": [TEXT…],
//     "allocator": {"name", "version", "library", "conf": MALLOC_CONF as given, "environment": [NAME=value…] as given,
//                   "configuration": as read back from the allocator},
//     "outcome": "completed" | "oom_killed" | "allocation_failed", "evidence": the kernel's words,
//     "limit": {"bytes": N | null, "by": "cgroup_v2" | "cgroup_v1" | "rlimit_data" | "none"},
//     "input": {"orders": N (operations handled), "seed": N}, "checksum": over the batches that all arms of the file finished,
//     "simulated_seconds", "speedup", "wall_seconds", "cpu_seconds" (all since the arm was ready),
//     "memory": {"series": [{"t": simulated s, "rss", "anonymous", "requested", "allocated", "active", "resident", "retained",
//                            "metadata", "dirty", "slab_bytes", "slab_region_bytes", "limit"}…], "peak_rss",
//                "minor_faults", "major_faults", "purges", "madvise_calls"},
//     "allocation": {"calls", "bytes", "bytes_per_simulated_second", "calls_per_operation", "bytes_per_operation",
//                    "steady_calls_per_operation": over the last half of the run},
//     "latency_us": {"p50", "p90", "p95", "p99", "p999", "max", "count", "histogram": [[upper edge, count]…]},
//     "hiccup_us": the same, of a thread outside the arm that does nothing but wake up: what the machine adds under this load,
//     "latency_series": null | [{"t": wall s, "p50_us", "p99_us", "max_us"}…] of the operations due from then on,
//     "pauses": null | {"threshold_us", "count" (stalls of at least that, without what the machine added), "mean_period_s", "p50_ms",
//                "max_ms" (of all operations, without what the machine added), "total_ms",
//                "by_cause": {"purge", "purge_wait", "teardown", "collector", "fault", "machine", "unexplained"} in ms,
//                "series": [[wall s, ms, largest cause]…], "dropped": stalls past what is kept},
//                (both null where the lab does not measure pauses)
//     "gauges": {the lab's own figures, null where there is none}, "profiles": {"start", "peak", "end": file,
//     and of an arm that came near its limit the last few on the way there, "near-limit-N": file} } … ],
//   "predictions": [{"arm", "metric", "unit", "predicted", "measured"}…],
//   "ablation": null | {"hours", "rows": [{"arm", "outcome", "died_at_hours", "rss", "allocation_bytes_per_simulated_second",
//                "cpu_us_per_operation", "gaps": {"live", "rounding", "slabs", "padding", "dirty_and_metadata", "rest"},
//                "closes": TEXT | null, "closes_bytes": N | null, "pause_ms": median of the longest in each period | null, "p99_ms",
//                "closes_ms_per_second": of stalls, where pauses are measured | null, "calls_per_operation", "faults_per_second",
//                "reason": why a wrong fix fails | null}…]},
//   "verdict": null | {"holds", "rows": [{"metric", "unit", "before", "after", "improvement" (%), "target", "relation", "holds",
//                "note"}…]} }
//
// Bytes unless the name says otherwise. What was not measured or cannot be had is null. In a sample, RSS and operations are of the
// moment; the allocator's figures are the arm's own and up to 50 ms of wall clock older.
// clang-format on
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include "labs/harness/ablation.hpp"
#include "labs/harness/arm.hpp"
#include "labs/harness/verdict.hpp"

namespace plateau::harness {

inline constexpr int result_schema = 1;

struct ExperimentResult {
  std::string lab;
  boost::json::object options;
  std::deque<ArmResult> arms;  // references into it stay valid
  std::vector<Prediction> predictions;
  std::optional<Verdict> verdict;
  std::optional<Ablation> ablation;
};

boost::json::object to_json(const ExperimentResult& result);

// Throws UsageError when nothing can be written there; leaves an existing file alone. Called before hours are spent.
void check_writable(const std::string& path);
// Whole or not at all: a full disk leaves the old file. Throws UsageError.
void write_json(const ExperimentResult& result, const std::string& path);

}  // namespace plateau::harness
