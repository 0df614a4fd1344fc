#include "labs/order_service/recorded_orders.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <exception>
#include <fstream>
#include <system_error>

#include <boost/json.hpp>

#include "labs/harness/usage_error.hpp"
#include "labs/order_service/calibration.hpp"
#include "labs/order_service/order_json.hpp"

namespace plateau::order_service {
namespace json = boost::json;

RecordedOrders::Recorded RecordedOrders::parse(const Store& store, const std::string& line) {
  const json::value value = json::parse(line);
  Order order;
  read_order(value, store, order);
  Recorded recorded{.customer = order.customer, .lines = {}};
  for (const OrderLine& one : order.lines) {
    recorded.lines.push_back({one.sku, one.quantity, one.unit_price_cents, std::string(one.note)});
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
    } catch (const boost::system::system_error& error) {  // what() would name a line of Boost's own sources
      throw harness::UsageError(
          fmt::format("--orders {}, line {}: no JSON: {}", file, line_number, error.code().message()));
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
    order.lines.push_back({line.sku, line.quantity, line.unit_price_cents, line.note});
  }
}

}  // namespace plateau::order_service
