#include "labs/report/result_file.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <vector>

#include <valijson/adapters/boost_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

#include "labs/report/result_schema.hpp"
#include "labs/report/result_version.hpp"

namespace plateau::report {
namespace json = boost::json;
namespace {

constexpr std::int64_t known_schema = result_schema_version;

std::string read_text(const std::string& path) {
  if (std::filesystem::is_directory(path)) throw std::runtime_error("it is a folder");
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error(std::generic_category().message(errno));
  return {std::istreambuf_iterator<char>(in), {}};
}

json::object parse(const std::string& text) {
  json::error_code error;
  json::stream_parser parser;
  const std::size_t used = parser.write_some(text, error);
  if (error) throw std::runtime_error(fmt::format("no JSON: {} at byte {}", error.message(), used));
  parser.finish(error);
  if (error) throw std::runtime_error(fmt::format("cut short: the JSON ends in the middle, at byte {}", text.size()));
  json::value value = parser.release();
  if (!value.is_object()) throw std::runtime_error("not the result of a lab: the JSON is no object");
  return std::move(value.as_object());
}

void check_version(const json::object& result) {
  const json::value* const found = result.if_contains("schema");
  const std::string foreign = "not the result of a lab";
  if (found == nullptr) throw std::runtime_error(foreign + ": it has no field \"schema\"");
  if (!found->is_int64()) throw std::runtime_error(foreign + ": schema is no number");
  if (const std::int64_t version = found->as_int64(); version != known_schema) {
    throw std::runtime_error(fmt::format("schema: it is {}, and this program reads {}; {}", version, known_schema,
                                         version < known_schema ? "make the result again" : "build a newer report"));
  }
}

const valijson::Schema& schema() {
  static const auto* const parsed = [] {
    const json::value text = json::parse(result_schema_json);
    auto* const made = new valijson::Schema;  // never destroyed
    valijson::SchemaParser().populateSchema(valijson::adapters::BoostJsonAdapter(text), *made);
    return made;
  }();
  return *parsed;
}

// "<root>", "[arms]", "[0]", "[name]": arms[0].name
std::string field_name(const std::vector<std::string>& context) {
  std::string name;
  for (std::size_t i = 1; i < context.size(); ++i) {
    const std::string& part = context[i];
    const bool is_index = part.find_first_not_of("[]0123456789") == std::string::npos;
    if (is_index) {
      name += part;
    } else {
      name += (name.empty() ? "" : ".") + part.substr(1, part.size() - 2);
    }
  }
  return name.empty() ? "the whole" : name;
}

void check_shape(const json::object& result) {
  const json::value value = result;
  const valijson::adapters::BoostJsonAdapter target(value);
  valijson::ValidationResults errors;
  if (valijson::Validator(valijson::Validator::kStrongTypes).validate(schema(), target, &errors)) return;
  // The deepest is the cause, and the others follow from it.
  std::optional<valijson::ValidationResults::Error> deepest;
  for (valijson::ValidationResults::Error error; errors.popError(error);) {
    if (!deepest || error.context.size() > deepest->context.size()) deepest = error;
  }
  throw std::runtime_error(fmt::format("{}: {}", field_name(deepest->context), deepest->description));
}

}  // namespace

void check_result(const json::object& result) {
  check_version(result);
  check_shape(result);
}

ResultFile read_result(const std::string& path) {
  try {
    ResultFile file{.path = path, .text = read_text(path), .result = {}};
    file.result = parse(file.text);
    check_result(file.result);
    return file;
  } catch (const std::exception& error) {
    throw std::runtime_error(fmt::format("{}: {}", path, error.what()));
  }
}

}  // namespace plateau::report
