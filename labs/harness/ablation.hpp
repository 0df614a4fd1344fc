// Ablation: each fix alone, and all but each. What each one bought, and which step of the RSS waterfall it closed.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "labs/harness/arm.hpp"
#include "labs/harness/lab.hpp"

namespace plateau::harness {

// The steps of the RSS waterfall, in bytes; their sum is RSS. Empty where the allocator does not tell.
struct WaterfallGaps {
  std::optional<double> live;      // requested by the program
  std::optional<double> rounding;  // allocated - requested: size classes, and slack in the program's own pools
  std::optional<double> slabs;     // slack in slabs that live blocks pin
  std::optional<double> padding;   // active - allocated beyond that: a page for each large block (cache_oblivious)
  std::optional<double> dirty_and_metadata;  // resident - active: unused pages kept, and the allocator's records
  std::optional<double> rest;  // RSS - the last step that is known: code, stacks; negative when not all was touched
};

WaterfallGaps waterfall_of(const Sample& sample);

struct AblationRow {
  std::string arm;
  Outcome outcome = Outcome::completed;
  std::optional<double> died_at_hours;
  double rss = 0;              // at the compared hour, or the last before the arm died
  double allocation_rate = 0;  // bytes a simulated second
  double cpu_us_per_operation = 0;
  WaterfallGaps gaps;
  // The step that the fix closes most: none against only-X, all-but-X against all, at the same simulated moment; empty
  // for none.
  std::string closes;
  std::optional<double> closes_bytes;
  std::string reason;  // for wrong fixes: why they fail
  // Of labs that measure pauses: medians over periods of the longest pause and of the 99th percentile of latency; and
  // instead of a step of the waterfall, `closes` names the cause of stalls that the fix takes most from, in ms a
  // second.
  std::optional<double> pause_ms;
  std::optional<double> p99_ms;
  std::optional<double> closes_ms_a_second;
  double calls_per_operation = 0;
  double faults_a_second = 0;
};

struct Ablation {
  double hours = 0;  // at which arms are compared, or their end if that came first
  std::vector<AblationRow> rows;
};

// The arms to run: none, each alone, all but each, all, and the wrong fixes. `base` gives all that is not the set of
// fixes.
std::vector<ArmSpec> ablation_arms(const LabDescription& lab, const ArmSpec& base);

Ablation summarise_ablation(const LabDescription& lab, double hours, const std::deque<ArmResult>& arms);

std::string format_table(const Ablation& ablation);

}  // namespace plateau::harness
