#include "labs/order_batch/store.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <filesystem>
#include <stdexcept>
#include <system_error>

#include "labs/order_batch/calibration.hpp"

namespace plateau::order_batch {

Store::Store(const std::string& file, std::uint64_t most_pages) {
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  try {
    if (sqlite3_open_v2(file.c_str(), &database_, flags, nullptr) != SQLITE_OK) fail();
    run("PRAGMA journal_mode=WAL");
    run("PRAGMA synchronous=FULL");
    run(fmt::format("PRAGMA cache_size=-{}", store_cache_bytes / 1024).c_str());
    run("CREATE TABLE IF NOT EXISTS orders(number INTEGER PRIMARY KEY, cents INTEGER, receipt INTEGER, message BLOB)");
    if (most_pages > 0) run(fmt::format("PRAGMA max_page_count={}", most_pages).c_str());
    const auto prepare = [this](const char* sql, sqlite3_stmt*& statement) {
      if (sqlite3_prepare_v3(database_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) fail();
    };
    prepare("BEGIN IMMEDIATE", begin_);
    prepare("INSERT INTO orders VALUES(?,?,?,?)", insert_);
    prepare("COMMIT", commit_);
  } catch (const std::runtime_error& error) {
    const std::string reason = error.what();
    close();
    throw std::runtime_error(fmt::format("the store {}: {}", file, reason));
  }
}

Store::~Store() {
  close();
}

void Store::close() noexcept {
  for (sqlite3_stmt* const statement : {begin_, insert_, commit_}) sqlite3_finalize(statement);
  sqlite3_close(database_);
}

void Store::begin() {
  finish(begin_);
}

void Store::insert(const Record& record, std::string_view message) {
  sqlite3_bind_int64(insert_, 1, static_cast<sqlite3_int64>(record.number));
  sqlite3_bind_int64(insert_, 2, static_cast<sqlite3_int64>(record.cents));
  sqlite3_bind_int64(insert_, 3, static_cast<sqlite3_int64>(record.receipt));
  sqlite3_bind_blob64(insert_, 4, message.data(), message.size(), SQLITE_STATIC);
  finish(insert_);
}

void Store::commit() {
  finish(commit_);
}

void Store::rollback() noexcept {
  if (sqlite3_get_autocommit(database_) == 0) sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
}

std::vector<OrderNumber> Store::numbers() {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database_, "SELECT number FROM orders ORDER BY number", -1, &statement, nullptr) != SQLITE_OK)
    fail();
  std::vector<OrderNumber> result;
  while (sqlite3_step(statement) == SQLITE_ROW)
    result.push_back(static_cast<OrderNumber>(sqlite3_column_int64(statement, 0)));
  if (sqlite3_finalize(statement) != SQLITE_OK) fail();
  return result;
}

void Store::run(const char* sql) {
  if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail();
}

void Store::finish(sqlite3_stmt* statement) {
  const int result = sqlite3_step(statement);
  if (result != SQLITE_DONE && result != SQLITE_ROW) {
    const std::string reason = sqlite3_errmsg(database_);
    sqlite3_reset(statement);
    throw std::runtime_error(reason);
  }
  sqlite3_reset(statement);
}

void Store::fail() {
  throw std::runtime_error(database_ != nullptr ? sqlite3_errmsg(database_) : "out of memory");
}

void remove_store(const std::string& file) {
  std::error_code error;  // what is not there need not go
  for (const char* const beside : {"", "-wal", "-shm"}) std::filesystem::remove(file + beside, error);
}

}  // namespace plateau::order_batch
