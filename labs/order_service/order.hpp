// An order as it arrives. Texts are views into what outlives the order (the store, a recorded file, a corpus of
// phrases).
#pragma once

#include <cstdint>
#include <memory_resource>
#include <string_view>
#include <vector>

namespace plateau::order_service {

using OrderId = std::uint64_t;
using CustomerId = std::uint32_t;

struct OrderLine {
  std::string_view sku;
  std::uint32_t quantity = 0;
  std::uint32_t unit_price_cents = 0;
  std::string_view note;
};

struct Order {
  OrderId id = 0;
  double placed_s = 0;  // simulated seconds since start
  CustomerId customer = 0;
  std::pmr::vector<OrderLine> lines = {};  // reused from order to order
};

// Where orders come from. Thread-safe: order `index` is a function of the source alone.
class OrderSource {
 public:
  virtual ~OrderSource() = default;
  // Fills `order`, which keeps its capacity; does not allocate once that suffices.
  virtual void read(std::uint64_t index, Order& order) const = 0;
};

}  // namespace plateau::order_service
