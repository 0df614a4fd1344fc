#include "labs/harness/measure/latency_histogram.hpp"

#include <boost/histogram/axis/regular.hpp>

namespace plateau::harness {
namespace {

namespace axis = boost::histogram::axis;
constexpr double lowest_us = 0.1;
constexpr double highest_us = 1e9;

template <unsigned bins>
const auto& latency_axis() {
  static const axis::regular<double, axis::transform::log, axis::null_type> edges(bins, lowest_us, highest_us);
  return edges;
}

}  // namespace

template <unsigned bins>
std::size_t LatencyAxis<bins>::bin_of(double us) {
  return static_cast<std::size_t>(latency_axis<bins>().index(us) + 1);
}

template <unsigned bins>
double LatencyAxis<bins>::upper_edge(std::size_t bin) {
  return latency_axis<bins>().bin(static_cast<int>(bin) - 1).upper();
}

template struct LatencyAxis<1000>;
template struct LatencyAxis<150>;

}  // namespace plateau::harness
