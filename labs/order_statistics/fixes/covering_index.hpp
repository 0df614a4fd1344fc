// Fix `covering_index`: an index that has all columns which the query reads. Before: a hit in an index on created_at
// alone is a look-up in the table.
#pragma once

#include <string_view>

namespace plateau::order_statistics {

constexpr std::string_view covering_index_before() {
  return {};
}

constexpr std::string_view covering_index_after() {
  return "CREATE INDEX IF NOT EXISTS orders_covering ON orders(created_at, total_amount)";
}

}  // namespace plateau::order_statistics
