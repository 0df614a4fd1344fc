#include "labs/harness/measure/statistics.hpp"

#include <algorithm>

namespace plateau::harness {

std::optional<double> slope(std::span<const Point> points) {
  if (points.size() < 2) return std::nullopt;
  Point mean;
  for (const Point& p : points) {
    mean.x += p.x / static_cast<double>(points.size());
    mean.y += p.y / static_cast<double>(points.size());
  }
  double covariance = 0;
  double variance = 0;
  for (const Point& p : points) {
    covariance += (p.x - mean.x) * (p.y - mean.y);
    variance += (p.x - mean.x) * (p.x - mean.x);
  }
  if (variance <= 0) return std::nullopt;
  return covariance / variance;
}

std::optional<double> median(std::vector<double> values) {
  if (values.empty()) return std::nullopt;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace plateau::harness
