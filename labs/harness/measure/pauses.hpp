// Pauses of an arm: its stalls, put together for the verdict, the result and the reader.
#pragma once

#include <array>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "labs/harness/arm/arm.hpp"
#include "labs/harness/measure/hiccup_meter.hpp"

namespace plateau::harness {

// Whether the arm belongs to a lab that measures pauses, or to a service.
bool has_pauses(const ArmResult& arm);

// Of the stalls of at least stall_threshold_us, without what the machine added, over all lanes.
struct PauseSummary {
  std::uint64_t count = 0;
  std::optional<double> mean_period_s;  // between starts
  std::optional<double> p50_ms;
  double max_ms = 0;    // of all operations, the shorter ones too
  double total_ms = 0;  // what the machine added included, as in the parts
  std::array<double, stall_causes.size()> ms_by_cause{};
};
PauseSummary summarise_pauses(const ArmResult& arm);

// Takes out of what is unexplained in each stall the time in which the hiccup meter of the same CPU did not get to run
// either, and gives it to the machine. `ready_ns` is the CLOCK_MONOTONIC of second 0 of the stalls.
void give_to_the_machine(std::vector<Stall>& stalls, const std::vector<Hiccup>& hiccups, std::int64_t ready_ns);

// The longest stall that begins in each window of `period_s` of the run, without what the machine added, in
// milliseconds; a window without a stall counts with 0, and one that the arm did not live to the end of is left out.
std::vector<double> longest_by_period_ms(const ArmResult& arm, double period_s);

// The same for a quantile of the latency of the operations that were due in each period, in milliseconds.
std::vector<double> latency_by_period_ms(const ArmResult& arm, double period_s, double quantile);

// Latency over time as bars, and what the stalls were.
std::string format_latency(const std::deque<ArmResult>& arms, bool colour);
std::string format_pauses(const std::deque<ArmResult>& arms);

}  // namespace plateau::harness
