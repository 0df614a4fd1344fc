// Metrics for Prometheus, as its text format 0.0.4 has them.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace plateau {

// Not thread-safe. A metric without a value is left out.
class MetricFamilies {
 public:
  using Label = std::pair<std::string, std::string>;
  struct Quantile {
    double quantile;
    double value;
  };

  MetricFamilies();
  ~MetricFamilies();
  MetricFamilies(const MetricFamilies&) = delete;
  MetricFamilies& operator=(const MetricFamilies&) = delete;

  void gauge(std::string name, std::string help, std::optional<double> value);
  void counter(std::string name, std::string help, std::optional<double> value);
  // A gauge of 1 that carries labels.
  void info(std::string name, std::string help, std::initializer_list<Label> labels);
  // A gauge for each label value.
  void gauges(std::string name, std::string help, const std::string& label,
              std::span<const std::pair<std::string, double>> values);
  void summary(std::string name, std::string help, std::span<const Quantile> quantiles, double sum,
               std::uint64_t count);
  std::string text() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace plateau
