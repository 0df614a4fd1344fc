// Orders from a file, one JSON object a line (see order_json.hpp), replayed from the first again when they run out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "labs/order_service/order.hpp"
#include "labs/order_service/store.hpp"

namespace plateau::order_service {

class RecordedOrders final : public OrderSource {
 public:
  // Reads the whole file. Throws harness::UsageError with the number of the first line that is not an order of this
  // store. `store` must outlive the orders.
  RecordedOrders(const Store& store, const std::string& file);
  void read(std::uint64_t index, Order& order) const override;
  std::size_t size() const { return orders_.size(); }

 private:
  struct Line {
    std::string_view sku;  // the store's
    std::uint32_t quantity = 0;
    std::uint32_t unit_price_cents = 0;
    std::string note;
  };
  struct Recorded {
    CustomerId customer = 0;
    std::vector<Line> lines;
  };
  static Recorded parse(const Store& store, const std::string& line);

  std::vector<Recorded> orders_;
};

}  // namespace plateau::order_service
