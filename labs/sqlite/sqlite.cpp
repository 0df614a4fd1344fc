#include "labs/sqlite/sqlite.hpp"

#include <sqlite3.h>

#include <filesystem>
#include <system_error>
#include <utility>

namespace plateau::sqlite {

Database::Database(const std::string& file) {
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(file.c_str(), &database_, flags, nullptr) != SQLITE_OK) {
    const std::string reason = database_ != nullptr ? sqlite3_errmsg(database_) : "out of memory";
    sqlite3_close(database_);
    throw std::runtime_error(reason);
  }
}

Database::~Database() {
  sqlite3_close(database_);
}

Database::Database(Database&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}

void Database::run(const std::string& sql) {
  if (sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) fail();
}

std::int64_t Database::number(const std::string& sql) {
  Statement statement(*this, sql);
  if (!statement.step()) throw std::runtime_error("no row: " + sql);
  return statement.number(0);
}

std::string Database::text(const std::string& sql) {
  Statement statement(*this, sql);
  if (!statement.step()) throw std::runtime_error("no row: " + sql);
  return std::string(statement.text(0));
}

void Database::rollback() noexcept {
  if (sqlite3_get_autocommit(database_) == 0) sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
}

void Database::interrupt() noexcept {
  sqlite3_interrupt(database_);
}

void Database::on_busy(std::function<bool(int)>& wait) {
  const auto handler = [](void* context, int earlier_calls) {
    return (*static_cast<std::function<bool(int)>*>(context))(earlier_calls) ? 1 : 0;
  };
  sqlite3_busy_handler(database_, handler, &wait);
}

std::string Database::plan(const std::string& sql) {
  constexpr int detail = 3;  // after the id, the parent and an unused column
  std::string text;
  for (Statement statement(*this, "EXPLAIN QUERY PLAN " + sql); statement.step();) {
    if (!text.empty()) text += "; ";
    text += statement.text(detail);
  }
  return text;
}

void Database::fail() const {
  if (sqlite3_errcode(database_) == SQLITE_INTERRUPT) throw Interrupted();
  throw std::runtime_error(sqlite3_errmsg(database_));
}

Statement::Statement(Database& database, const std::string& sql) : database_(&database) {
  const int result =
      sqlite3_prepare_v3(database.database_, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &statement_, nullptr);
  if (result != SQLITE_OK) database.fail();
}

Statement::~Statement() {
  sqlite3_finalize(statement_);
}

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_), statement_(std::exchange(other.statement_, nullptr)) {}

void Statement::bind(int place, std::int64_t value) {
  if (sqlite3_bind_int64(statement_, place, value) != SQLITE_OK) database_->fail();
}

void Statement::bind(int place, std::string_view text) {
  if (sqlite3_bind_text64(statement_, place, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8) != SQLITE_OK)
    database_->fail();
}

void Statement::bind_blob(int place, std::string_view bytes) {
  if (sqlite3_bind_blob64(statement_, place, bytes.data(), bytes.size(), SQLITE_STATIC) != SQLITE_OK) database_->fail();
}

bool Statement::step() {
  const int result = sqlite3_step(statement_);
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) {
    sqlite3_reset(statement_);
    return false;
  }
  const std::string reason = sqlite3_errmsg(database_->database_);  // reset() may set another
  sqlite3_reset(statement_);
  if (result == SQLITE_INTERRUPT) throw Interrupted();
  throw std::runtime_error(reason);
}

void Statement::reset() noexcept {
  sqlite3_reset(statement_);
}

int Statement::columns() const {
  return sqlite3_column_count(statement_);
}

std::int64_t Statement::number(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string_view Statement::text(int column) const {
  const auto* const text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (text == nullptr) return {};
  return {text, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

void remove_database(const std::string& file) noexcept {
  std::error_code error;  // what is not there need not go
  for (const char* const beside : {"", "-wal", "-shm", "-journal"}) std::filesystem::remove(file + beside, error);
}

}  // namespace plateau::sqlite
