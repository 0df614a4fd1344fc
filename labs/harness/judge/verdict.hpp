// What the harness concludes, from figures alone.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "labs/harness/arm/arm.hpp"

namespace plateau::harness {

// How far "before" may be from the case study's figures.
inline constexpr double calibration_tolerance = 0.2;

// One line of the verdict. Empty figures were not measured in this run, and then `note` says why.
struct VerdictRow {
  std::string metric = {};
  std::string unit = {};
  std::optional<double> before = {};
  std::optional<double> after = {};
  std::optional<double> target = {};
  std::string relation = {};       // how `target` binds: "before within 20 %", "after at most", …
  std::optional<bool> holds = {};  // empty: nothing was to be met, or it could not be judged
  std::string note = {};

  // Before, to the case study's figure within the tolerance; not judged where there is none.
  void hold_before_within_tolerance(double figure);
  // After, unless `unjudged` says why this run cannot be held to it.
  void hold_after_at_most(double most, const std::string& unjudged = {});

  // Change from before to after in percent; negative is less.
  std::optional<double> improvement() const;
};

struct Verdict {
  std::vector<VerdictRow> rows;
  // Every row that could be judged holds, and at least one could.
  bool holds() const;
};

// A prediction made before the arm ran; `measured` is filled in afterwards.
struct Prediction {
  std::string arm;
  std::string metric;
  std::string unit;
  double predicted = 0;
  std::optional<double> measured;
};

// Number of operations, from the first, that both arms have finished in whole batches, and whether their output was the
// same.
struct OutputComparison {
  std::uint64_t batches = 0;
  bool same = false;
};
OutputComparison compare_output(const ArmResult& one, const ArmResult& other);
// Their comparison as a row, which holds when all batches are the same; not judged where there is none to compare.
VerdictRow same_output(const ArmResult& before, const ArmResult& after);

// Digest of the output over the batches that all arms have finished; empty when there is none.
std::optional<std::string> common_checksum(const ArmResult& arm, const std::deque<ArmResult>& all);

// Tables for people.
std::string format_table(const Verdict& verdict);
std::string format_waterfall(const std::deque<ArmResult>& arms);
std::string format_growth(const std::deque<ArmResult>& arms, bool colour);
std::string format_predictions(const std::vector<Prediction>& predictions);

}  // namespace plateau::harness
