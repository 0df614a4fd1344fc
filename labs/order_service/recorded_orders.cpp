#include "labs/order_service/recorded_orders.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <stdexcept>
#include <system_error>

#include <boost/json.hpp>

#include "labs/harness/usage_error.hpp"
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

}  // namespace

RecordedOrders::Recorded RecordedOrders::parse(const Store& store, const std::string& line) {
  const json::value value = json::parse(line);
  if (!value.is_object()) throw std::invalid_argument("not a JSON object");
  const json::object& order = value.get_object();
  Recorded recorded;
  recorded.customer = number(field(order, "customer"), "customer", 0, customer_count - 1);
  const json::value& lines = field(order, "lines");
  if (!lines.is_array() || lines.get_array().empty())
    throw std::invalid_argument("\"lines\" is not an array with a line in it");
  if (lines.get_array().size() > max_lines) throw std::invalid_argument(fmt::format("more than {} lines", max_lines));
  for (const json::value& entry : lines.get_array()) {
    if (!entry.is_object()) throw std::invalid_argument("a line is not a JSON object");
    const json::object& fields = entry.get_object();
    const Product* const product = store.find_product(text(field(fields, "sku"), "sku"));
    if (product == nullptr)
      throw std::invalid_argument(
          fmt::format("\"sku\" is not in the catalogue (SKU-000000 to SKU-{:06d})", product_count - 1));
    const json::value* const note = fields.if_contains("note");
    const std::string_view note_text = note != nullptr ? text(*note, "note") : std::string_view();
    if (note_text.size() > max_note)
      throw std::invalid_argument(fmt::format("a note is longer than {} bytes", max_note));
    recorded.lines.push_back(
        {product, number(field(fields, "quantity"), "quantity", 1, 1'000'000), std::string(note_text)});
  }
  return recorded;
}

RecordedOrders::RecordedOrders(const Store& store, const std::string& file) {
  std::ifstream in(file);
  std::string line;
  if (!in || (!std::getline(in, line) && in.bad())) {
    throw harness::UsageError(fmt::format("--orders {}: {}", file, std::system_category().message(errno)));
  }
  in.clear();
  in.seekg(0);
  for (std::size_t line_number = 1; std::getline(in, line); ++line_number) {
    try {
      orders_.push_back(parse(store, line));
    } catch (const std::exception& error) {
      throw harness::UsageError(fmt::format("--orders {}, line {}: {}", file, line_number, error.what()));
    }
  }
  if (orders_.empty()) throw harness::UsageError(fmt::format("--orders {}: there is no order in it", file));
}

void RecordedOrders::read(std::uint64_t index, Order& order) const {
  const Recorded& recorded = orders_[index % orders_.size()];
  order.id = index;
  order.placed_s = static_cast<double>(index) / orders_per_second;
  order.customer = recorded.customer;
  order.lines.clear();
  for (const Line& line : recorded.lines) {
    order.lines.push_back({line.product->sku, line.quantity, line.product->price_cents, line.note});
  }
}

}  // namespace plateau::order_service
