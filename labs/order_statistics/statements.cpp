#include "labs/order_statistics/statements.hpp"

#include <string_view>

#include "labs/order_statistics/calibration.hpp"
#include "labs/order_statistics/fixes/covering_index.hpp"
#include "labs/order_statistics/fixes/incremental.hpp"
#include "labs/order_statistics/fixes/index.hpp"
#include "labs/order_statistics/fixes/partial_index.hpp"
#include "labs/order_statistics/fixes/range.hpp"
#include "labs/order_statistics/fixes/wal.hpp"
#include "labs/sqlite/sqlite.hpp"

namespace plateau::order_statistics {
namespace {

// "CREATE INDEX IF NOT EXISTS orders_by_time ON …" names the third word from "EXISTS".
std::string name_of_index(std::string_view create) {
  constexpr std::string_view before = "EXISTS ";
  const std::size_t begin = create.find(before) + before.size();
  return std::string(create.substr(begin, create.find(' ', begin) - begin));
}

}  // namespace

std::vector<std::string> schema() {
  return {
      "CREATE TABLE orders(id INTEGER PRIMARY KEY, created_at TEXT NOT NULL, status TEXT NOT NULL, "
      "customer INTEGER NOT NULL, total_amount INTEGER NOT NULL, note TEXT NOT NULL)",
      "CREATE TABLE daily(day TEXT PRIMARY KEY, orders INTEGER NOT NULL, amount INTEGER NOT NULL, "
      "active_orders INTEGER NOT NULL, active_amount INTEGER NOT NULL) WITHOUT ROWID",
      "CREATE TABLE about(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
  };
}

std::vector<std::string> wanted_indexes(const Fixes& fixes) {
  std::vector<std::string> result;
  for (const std::string_view create : {fixes.index ? index_after() : index_before(),
                                        fixes.partial_index ? partial_index_after() : partial_index_before(),
                                        fixes.covering_index ? covering_index_after() : covering_index_before()}) {
    if (!create.empty()) result.emplace_back(create);
  }
  return result;
}

std::vector<std::string> unwanted_indexes(const Fixes& fixes) {
  std::vector<std::string> result;
  if (!fixes.index) result.push_back(name_of_index(index_after()));
  if (!fixes.partial_index) result.push_back(name_of_index(partial_index_after()));
  if (!fixes.covering_index) result.push_back(name_of_index(covering_index_after()));
  return result;
}

std::string journal(const Fixes& fixes) {
  return std::string(fixes.wal ? wal_after() : wal_before());
}

std::string select_days(const Fixes& fixes, bool active_only) {
  const std::string_view column = fixes.incremental ? day_column_after : day_column_before;
  const std::string days = fixes.range ? range_after(column) : range_before(column);
  return fixes.incremental ? select_after(days, active_only)
                           : select_before(days, active_only ? active_predicate : std::string_view());
}

std::string select_page(bool active_only) {
  return "SELECT DATE(created_at), total_amount FROM orders WHERE " + range_after(day_column_before) +
         (active_only ? " AND " + std::string(active_predicate) : "") + " ORDER BY created_at LIMIT " +
         std::to_string(page_orders) + " OFFSET ?3";
}

std::string select_orders(bool active_only) {
  return "SELECT DATE(created_at), total_amount, created_at, status, customer, note FROM orders WHERE " +
         range_after(day_column_before) + (active_only ? " AND " + std::string(active_predicate) : "") +
         " ORDER BY created_at DESC";
}

std::string plan_of(const Fixes& fixes, bool active_only) {
  sqlite::Database empty(":memory:");
  for (const std::string& create : schema()) empty.run(create);
  for (const std::string& create : wanted_indexes(fixes)) empty.run(create);
  return empty.plan(select_days(fixes, active_only));
}

}  // namespace plateau::order_statistics
