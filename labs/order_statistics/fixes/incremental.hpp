// Fix `incremental`: the statistics of a day are a row, which whoever writes an order keeps in the same transaction.
// Before: they are computed from the orders each time that somebody asks.
#pragma once

#include <string>
#include <string_view>

namespace plateau::order_statistics {

// Selects a row a day: its date, its orders, their sum. `days` is a condition on the column `day_column`, and `only`
// one more, or empty.
inline constexpr std::string_view day_column_before = "created_at";
inline std::string select_before(const std::string& days, std::string_view only) {
  return "SELECT DATE(created_at), COUNT(*), SUM(total_amount) FROM orders WHERE " + days +
         (only.empty() ? "" : " AND " + std::string(only)) + " GROUP BY DATE(created_at) ORDER BY 1 DESC";
}

inline constexpr std::string_view day_column_after = "day";
inline std::string select_after(const std::string& days, bool active_only) {
  return active_only ? "SELECT day, active_orders, active_amount FROM daily WHERE " + days +
                           " AND active_orders > 0 ORDER BY day DESC"
                     : "SELECT day, orders, amount FROM daily WHERE " + days + " ORDER BY day DESC";
}

// Besides the order itself, with places 1 to 3 for the date, the sum, and 1 for an active order. Empty: nothing.
constexpr std::string_view roll_up_before() {
  return {};
}

constexpr std::string_view roll_up_after() {
  return "INSERT INTO daily VALUES(?1, 1, ?2, ?3, ?2 * ?3) ON CONFLICT(day) DO UPDATE SET orders = orders + 1, "
         "amount = amount + ?2, active_orders = active_orders + ?3, active_amount = active_amount + ?2 * ?3";
}

}  // namespace plateau::order_statistics
