// Small statistics over sampled series.
#pragma once

#include <optional>
#include <span>
#include <vector>

namespace plateau::harness {

struct Point {
  double x = 0;
  double y = 0;
};

// Slope of the least-squares line through the points; empty for fewer than two different x.
std::optional<double> slope(std::span<const Point> points);

// Middle value (mean of the two middle ones for an even count); empty for none.
std::optional<double> median(std::vector<double> values);

}  // namespace plateau::harness
