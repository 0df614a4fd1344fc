// Where the orders of a batch come from.
#pragma once

#include <cstdint>
#include <fstream>
#include <memory>
#include <string>

#include "labs/order_batch/order.hpp"

namespace plateau::order_batch {

// Gives one order after the other. Not thread-safe.
class OrderSource {
 public:
  virtual ~OrderSource() = default;
  virtual std::uint64_t total() const = 0;
  // Fills an empty order with the next one, from the order's memory. Throws std::runtime_error when it cannot be
  // read; the next call gives the one after it.
  virtual void read(Order& order) = 0;
};

// Orders that a seed gives, each a function of seed and number.
std::unique_ptr<OrderSource> generated_orders(std::uint64_t seed, std::uint64_t total);

// A file with an order a line: {"customer": "…", "items": [{"sku": "…", "name": "…", "quantity": 2, "cents": 1299},
// …]}. `most` lines of it at most. Throws std::runtime_error when the file cannot be read or has no line.
std::unique_ptr<OrderSource> orders_of_file(const std::string& file, std::uint64_t most);

}  // namespace plateau::order_batch
