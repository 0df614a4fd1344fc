#include "labs/harness/arm/arm_json.hpp"

#include <string>
#include <type_traits>
#include <variant>
#include <vector>

namespace plateau::harness {
namespace json = boost::json;
namespace {

OptionValue value_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::bool_:
      return value.get_bool();
    case json::kind::int64:
      return value.get_int64();
    case json::kind::uint64:
      return value.get_uint64();
    case json::kind::double_:
      return value.get_double();
    case json::kind::string:
      return std::string(value.get_string());
    default:
      return {};
  }
}

}  // namespace

json::object to_json(const LabOptions& options) {
  json::object result;
  for (const auto& [name, value] : options.values()) {
    result[name] = std::visit(
        [](const auto& held) -> json::value {
          if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::monostate>) {
            return nullptr;
          } else {
            return json::value(held);
          }
        },
        value);
  }
  return result;
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
          {"batch", spec.batch ? json::value(*spec.batch) : json::value(nullptr)},
          {"seed", spec.seed},
          {"profile_dir", spec.profile_dir},
          {"profile_raw", spec.profile_raw},
          {"pprof_address", spec.pprof_address},
          {"trace_file", spec.trace_file},
          {"options", to_json(spec.options)}};
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
  if (!json.at("batch").is_null()) spec.batch = json.at("batch").to_number<std::uint64_t>();
  spec.seed = json.at("seed").to_number<std::uint64_t>();
  spec.profile_dir = json::value_to<std::string>(json.at("profile_dir"));
  spec.profile_raw = json.at("profile_raw").as_bool();
  spec.pprof_address = json::value_to<std::string>(json.at("pprof_address"));
  spec.trace_file = json::value_to<std::string>(json.at("trace_file"));
  for (const auto& option : json.at("options").as_object()) {
    spec.options.set(option.key(), value_of(option.value()));
  }
  return spec;
}

}  // namespace plateau::harness
