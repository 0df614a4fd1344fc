// An order as a JSON object:
//   {"customer": 17, "lines": [{"sku": "SKU-000123", "quantity": 2, "note": "leave with the neighbour"}]}
#pragma once

#include <boost/json.hpp>

#include "labs/order_service/order.hpp"
#include "labs/order_service/store.hpp"

namespace plateau::order_service {

// Fills in customer and lines. Notes are views into `value`, skus into the store. Throws std::invalid_argument, in one
// line, for what is no order of this store.
void read_order(const boost::json::value& value, const Store& store, Order& order);

}  // namespace plateau::order_service
