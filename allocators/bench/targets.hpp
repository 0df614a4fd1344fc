// What the library promises of its speed, each as a ratio of two figures of one run.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace plateau::bench {

struct TargetRow {
  std::string text;
  double measured = 0;
  double bound = 0;
  bool at_most = true;  // else at least
  std::string unit;     // "x" for ratios
  std::string note;     // where the proof stands that it cannot be reached
  bool holds() const { return at_most ? measured <= bound : measured >= bound; }
};

// `nanoseconds(case, contestant)` gives what was measured, or nothing when the case did not run (a filter); a row that
// lacks a figure is left out.
using Measured = std::function<std::optional<double>(const std::string& name, const std::string& contestant)>;
std::vector<TargetRow> evaluate_targets(const Measured& nanoseconds);

}  // namespace plateau::bench
