#include "profiling/metric_families.hpp"

#include <prometheus/text_serializer.h>

#include <sstream>
#include <vector>

namespace plateau {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

class MetricFamilies::State {
 public:
  MetricFamily& add(std::string name, std::string help, MetricType type, std::size_t metrics = 1) {
    return families_.emplace_back(
        MetricFamily{std::move(name), std::move(help), type, std::vector<ClientMetric>(metrics)});
  }
  const std::vector<MetricFamily>& families() const { return families_; }

 private:
  std::vector<MetricFamily> families_;
};

MetricFamilies::MetricFamilies() : state_(std::make_unique<State>()) {}
MetricFamilies::~MetricFamilies() = default;

void MetricFamilies::gauge(std::string name, std::string help, std::optional<double> value) {
  if (!value) return;
  state_->add(std::move(name), std::move(help), MetricType::Gauge).metric.front().gauge.value = *value;
}

void MetricFamilies::counter(std::string name, std::string help, std::optional<double> value) {
  if (!value) return;
  state_->add(std::move(name), std::move(help), MetricType::Counter).metric.front().counter.value = *value;
}

void MetricFamilies::info(std::string name, std::string help, std::initializer_list<Label> labels) {
  ClientMetric& metric = state_->add(std::move(name), std::move(help), MetricType::Gauge).metric.front();
  for (const auto& [label, value] : labels) metric.label.push_back({label, value});
  metric.gauge.value = 1;
}

void MetricFamilies::gauges(std::string name, std::string help, const std::string& label,
                            std::span<const std::pair<std::string, double>> values) {
  if (values.empty()) return;
  MetricFamily& family = state_->add(std::move(name), std::move(help), MetricType::Gauge, values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    family.metric[i].label.push_back({label, values[i].first});
    family.metric[i].gauge.value = values[i].second;
  }
}

void MetricFamilies::summary(std::string name, std::string help, std::span<const Quantile> quantiles, double sum,
                             std::uint64_t count) {
  ClientMetric::Summary& summary =
      state_->add(std::move(name), std::move(help), MetricType::Summary).metric.front().summary;
  summary.sample_count = count;
  summary.sample_sum = sum;
  for (const auto& [quantile, value] : quantiles) summary.quantile.push_back({quantile, value});
}

std::string MetricFamilies::text() const {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, state_->families());
  return std::move(out).str();
}

}  // namespace plateau
