#include "labs/order_statistics/prediction.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "labs/order_statistics/fixes.hpp"
#include "labs/order_statistics/gauges.hpp"

namespace plateau::order_statistics {

double predicted_cpu_percent(double query_s, double think_s, double clients, double cores) {
  return std::min(clients * query_s / (query_s + think_s) / cores, 1.0) * 100;
}

std::vector<harness::Prediction> predict(const harness::ArmResult& result) {
  const auto gauge = [&](GaugeIndex index) { return result.gauges.at(std::string(statistics_gauges[index])); };
  if (std::isnan(gauge(gauge_alone))) return {};
  const auto measured = [&](GaugeIndex index) {
    return std::isnan(gauge(index)) ? std::nullopt : std::optional(gauge(index));
  };
  std::vector<harness::Prediction> predictions{
      {result.spec.name, "query, P50", "ms", gauge(gauge_alone), measured(gauge_query_p50)}};
  // A cache answers without a query, and how often is not known beforehand.
  if (!with_what_goes_along(fix_table.chosen(result.spec.fixes)).local_cache) {
    const harness::LabOptions& options = result.spec.options;
    predictions.push_back({result.spec.name, "database CPU", "%",
                           predicted_cpu_percent(gauge(gauge_alone) / 1e3, options.number<double>("think_s"),
                                                 options.number<double>("clients"), options.number<double>("cores")),
                           measured(gauge_cpu)});
  }
  return predictions;
}

}  // namespace plateau::order_statistics
