#include "labs/order_service/order_json.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <stdexcept>
#include <string_view>

#include "labs/order_service/calibration.hpp"

namespace plateau::order_service {
namespace json = boost::json;
namespace {

const json::value& field(const json::object& object, std::string_view name) {
  const json::value* const value = object.if_contains(name);
  if (value == nullptr) throw std::invalid_argument(fmt::format("no \"{}\"", name));
  return *value;
}

std::uint32_t number(const json::value& value, std::string_view name, std::uint32_t least, std::uint32_t most) {
  json::error_code error;
  const auto result = value.to_number<std::int64_t>(error);
  if (error || result < least || result > most) {
    throw std::invalid_argument(fmt::format("\"{}\" is not a whole number from {} to {}", name, least, most));
  }
  return static_cast<std::uint32_t>(result);
}

std::string_view text(const json::value& value, std::string_view name) {
  if (!value.is_string()) throw std::invalid_argument(fmt::format("\"{}\" is not a string", name));
  return value.get_string();
}

OrderLine read_line(const json::value& value, const Store& store) {
  if (!value.is_object()) throw std::invalid_argument("a line is not a JSON object");
  const json::object& fields = value.get_object();
  const Product* const product = store.find_product(text(field(fields, "sku"), "sku"));
  if (product == nullptr) {
    throw std::invalid_argument(
        fmt::format("\"sku\" is not in the catalogue (SKU-000000 to SKU-{:06d})", product_count - 1));
  }
  const json::value* const note = fields.if_contains("note");
  const std::string_view note_text = note != nullptr ? text(*note, "note") : std::string_view();
  if (note_text.size() > max_note) {
    throw std::invalid_argument(fmt::format("a note is longer than {} bytes", max_note));
  }
  return {product->sku, number(field(fields, "quantity"), "quantity", 1, 1'000'000), product->price_cents, note_text};
}

}  // namespace

void read_order(const json::value& value, const Store& store, Order& order) {
  if (!value.is_object()) throw std::invalid_argument("not a JSON object");
  const json::object& fields = value.get_object();
  order.customer = number(field(fields, "customer"), "customer", 0, customer_count - 1);
  const json::value& lines = field(fields, "lines");
  if (!lines.is_array() || lines.get_array().empty()) {
    throw std::invalid_argument("\"lines\" is not an array with a line in it");
  }
  if (lines.get_array().size() > max_lines) throw std::invalid_argument(fmt::format("more than {} lines", max_lines));
  order.lines.clear();
  order.lines.reserve(lines.get_array().size());
  for (const json::value& line : lines.get_array()) order.lines.push_back(read_line(line, store));
}

}  // namespace plateau::order_service
