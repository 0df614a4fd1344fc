#include "labs/harness/arm.hpp"

namespace plateau::harness {
namespace json = boost::json;

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::completed:
      return "completed";
    case Outcome::oom_killed:
      return "oom_killed";
    case Outcome::allocation_failed:
      return "allocation_failed";
    case Outcome::failed:
      break;
  }
  return "failed";
}

json::object to_json(const ArmSpec& spec) {
  return {{"name", spec.name},
          {"fixes", json::value_from(spec.fixes)},
          {"allocator", spec.allocator},
          {"memory_limit", spec.memory_limit ? json::value(*spec.memory_limit) : json::value(nullptr)},
          {"hours", spec.hours},
          {"operations_per_second", spec.time.operations_per_second},
          {"speedup", spec.time.speedup},
          {"service_rate", spec.service_rate ? json::value(*spec.service_rate) : json::value(nullptr)},
          {"seed", spec.seed},
          {"profile_dir", spec.profile_dir},
          {"profile_raw", spec.profile_raw},
          {"pprof_address", spec.pprof_address},
          {"trace_file", spec.trace_file},
          {"options", spec.options}};
}

ArmSpec arm_spec_from_json(const json::object& json) {
  ArmSpec spec;
  spec.name = json::value_to<std::string>(json.at("name"));
  spec.fixes = json::value_to<std::vector<std::string>>(json.at("fixes"));
  spec.allocator = json::value_to<std::string>(json.at("allocator"));
  if (!json.at("memory_limit").is_null()) spec.memory_limit = json.at("memory_limit").to_number<std::uint64_t>();
  spec.hours = json.at("hours").to_number<double>();
  spec.time.operations_per_second = json.at("operations_per_second").to_number<double>();
  spec.time.speedup = json.at("speedup").to_number<double>();
  if (!json.at("service_rate").is_null()) spec.service_rate = json.at("service_rate").to_number<double>();
  spec.seed = json.at("seed").to_number<std::uint64_t>();
  spec.profile_dir = json::value_to<std::string>(json.at("profile_dir"));
  spec.profile_raw = json.at("profile_raw").as_bool();
  spec.pprof_address = json::value_to<std::string>(json.at("pprof_address"));
  spec.trace_file = json::value_to<std::string>(json.at("trace_file"));
  spec.options = json.at("options").as_object();
  return spec;
}

std::string ArmResult::malloc_conf() const {
  constexpr std::string_view name = "MALLOC_CONF=";
  for (const std::string& variable : allocator_environment) {
    if (variable.starts_with(name)) return variable.substr(name.size());
  }
  return {};
}

const Sample* ArmResult::at(double t) const {
  const auto after =
      std::upper_bound(series.begin(), series.end(), t, [](double wanted, const Sample& s) { return wanted < s.t; });
  if (after == series.begin() || series.empty() || series.back().t < t) return nullptr;
  return &*std::prev(after);
}

namespace {

// The two ends of a window, clamped to the series; null when the window is outside or empty.
std::pair<const Sample*, const Sample*> window(const ArmResult& arm, double from_s, double to_s) {
  if (arm.series.empty()) return {nullptr, nullptr};
  const Sample* const from = from_s <= arm.series.front().t ? &arm.series.front() : arm.at(from_s);
  const Sample* const to = to_s >= arm.series.back().t ? &arm.series.back() : arm.at(to_s);
  if (from == nullptr || to == nullptr || to->operations <= from->operations) return {nullptr, nullptr};
  return {from, to};
}

}  // namespace

std::optional<double> ArmResult::bytes_per_simulated_second(double from_s, double to_s) const {
  const auto [from, to] = window(*this, from_s, to_s);
  if (from == nullptr) return std::nullopt;
  return static_cast<double>(to->allocation_bytes - from->allocation_bytes) / (to->t - from->t);
}

std::optional<double> ArmResult::calls_per_operation(double from_s, double to_s) const {
  const auto [from, to] = window(*this, from_s, to_s);
  if (from == nullptr) return std::nullopt;
  return static_cast<double>(to->allocation_calls - from->allocation_calls) /
         static_cast<double>(to->operations - from->operations);
}

}  // namespace plateau::harness
