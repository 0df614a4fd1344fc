// Fix "items": the priced lines of an order, in memory that lasts until the batch is settled.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <string>
#include <vector>

#include "labs/order_service/order.hpp"
#include "labs/order_service/store.hpp"

namespace plateau::order_service {

struct Item {
  const Product* product = nullptr;
  std::uint32_t quantity = 0;
  std::uint32_t unit_price_cents = 0;
  std::uint64_t total_cents = 0;
  std::pmr::string note;
};

using Items = std::pmr::vector<Item>;

// Throws std::invalid_argument when a line is not valid: an unknown sku, a wrong price, no quantity.
Items build_order_items_before(const Order& order, const Store& store, std::pmr::memory_resource* memory);
Items build_order_items_after(const Order& order, const Store& store, std::pmr::memory_resource* memory);

}  // namespace plateau::order_service
