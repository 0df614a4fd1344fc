// Fix `partial_index`: an index of the active orders alone, which serves questions that are about them and no others.
// It is small, since most orders are not active any more.
#pragma once

#include <string_view>

namespace plateau::order_statistics {

// The query has to say it in these words, so that SQLite knows the index has all it asks for
// (sqlite.org/partialindex.html).
inline constexpr std::string_view active_predicate = "status IN ('paid','packed','shipped')";

constexpr std::string_view partial_index_before() {
  return {};
}

constexpr std::string_view partial_index_after() {
  return "CREATE INDEX IF NOT EXISTS orders_active ON orders(created_at, status) "
         "WHERE status IN ('paid','packed','shipped')";
}

}  // namespace plateau::order_statistics
