// Ablation: each fix alone, and all but each. What each one bought, and which part of the RSS waterfall it closed.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "labs/harness/arm/arm.hpp"
#include "labs/harness/lab.hpp"
#include "labs/harness/measure/stall.hpp"
#include "profiling/waterfall/waterfall.hpp"

namespace plateau::harness {

// The part of the waterfall that a fix closes most.
struct ClosedPart {
  const WaterfallPart* part = nullptr;  // never null
  double bytes = 0;
};

// The cause of stalls that a fix takes most from.
struct ClosedCause {
  StallCause cause = StallCause::unexplained;
  double ms_a_second = 0;
};

struct AblationRow {
  std::string arm;
  Outcome outcome = Outcome::completed;
  std::optional<double> died_at_hours;
  double rss = 0;              // at the compared hour, or the last before the arm died
  double allocation_rate = 0;  // bytes a simulated second
  double cpu_us_per_operation = 0;
  std::vector<MeasuredPart> parts;
  // The fix's effect: none against only-X, all-but-X against all, at the same simulated moment. Empty where it closes
  // nothing that is more than noise. Labs that measure pauses have the cause, the others the part.
  std::optional<ClosedPart> closes;
  std::optional<ClosedCause> takes_from;
  std::string reason;  // why a wrong fix fails; empty for the others
  std::string seen;    // the lab's figures by which it does; may be empty
  // Only where pauses are measured: medians over periods of the longest pause and of the 99th percentile of latency.
  std::optional<double> pause_ms;
  std::optional<double> p99_ms;                 // of a batch: of its whole run
  std::optional<double> operations_per_second;  // of a batch, whose RSS and parts are those of its peak
  double calls_per_operation = 0;
  double faults_a_second = 0;
};

struct Ablation {
  std::string operation;  // what the lab counts: "order"
  double hours = 0;       // at which arms are compared, or their end if that came first
  std::vector<AblationRow> rows;
};

// The arms to run: none, each alone, all but each, all, and the wrong fixes. `base` gives all that is not the set of
// fixes.
std::vector<ArmSpec> ablation_arms(const LabDescription& lab, const ArmSpec& base);

Ablation summarise_ablation(const LabDescription& lab, double hours, const std::deque<ArmResult>& arms);

std::string format_table(const Ablation& ablation);

}  // namespace plateau::harness
