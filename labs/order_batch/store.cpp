#include "labs/order_batch/store.hpp"

#include <fmt/format.h>

#include <stdexcept>

#include "labs/order_batch/calibration.hpp"

namespace plateau::order_batch {
namespace {

sqlite::Database open_store(const std::string& file, std::uint64_t most_pages) {
  try {
    sqlite::Database database(file);
    database.run("PRAGMA journal_mode=WAL");
    database.run("PRAGMA synchronous=FULL");
    database.run(fmt::format("PRAGMA cache_size=-{}", store_cache_bytes / 1024));
    database.run(
        "CREATE TABLE IF NOT EXISTS orders(number INTEGER PRIMARY KEY, cents INTEGER, receipt INTEGER, message BLOB)");
    if (most_pages > 0) database.run(fmt::format("PRAGMA max_page_count={}", most_pages));
    return database;
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(fmt::format("the store {}: {}", file, error.what()));
  }
}

}  // namespace

Store::Store(const std::string& file, std::uint64_t most_pages)
    : database_(open_store(file, most_pages)),
      begin_(database_, "BEGIN IMMEDIATE"),
      insert_(database_, "INSERT INTO orders VALUES(?,?,?,?)"),
      commit_(database_, "COMMIT") {}

void Store::begin() {
  begin_.finish();
}

void Store::insert(const Record& record, std::string_view message) {
  insert_.bind(1, static_cast<std::int64_t>(record.number));
  insert_.bind(2, static_cast<std::int64_t>(record.cents));
  insert_.bind(3, static_cast<std::int64_t>(record.receipt));
  insert_.bind_blob(4, message);
  insert_.finish();
}

void Store::commit() {
  commit_.finish();
}

void Store::rollback() noexcept {
  database_.rollback();
}

std::vector<OrderNumber> Store::numbers() {
  sqlite::Statement statement(database_, "SELECT number FROM orders ORDER BY number");
  std::vector<OrderNumber> result;
  while (statement.step()) result.push_back(static_cast<OrderNumber>(statement.number(0)));
  return result;
}

}  // namespace plateau::order_batch
