// Fix `index`: an index on created_at. Before: none, so that every query reads the whole table.
#pragma once

#include <string_view>

namespace plateau::order_statistics {

// What makes it; empty: nothing.
constexpr std::string_view index_before() {
  return {};
}

constexpr std::string_view index_after() {
  return "CREATE INDEX IF NOT EXISTS orders_by_time ON orders(created_at)";
}

}  // namespace plateau::order_statistics
