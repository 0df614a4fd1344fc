// A database file and its prepared statements, as objects that close themselves. Errors are std::runtime_error with
// SQLite's own words.
#pragma once

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace plateau::sqlite {

// Database::interrupt() ended the statement.
struct Interrupted : std::runtime_error {
  Interrupted() : std::runtime_error("interrupted") {}
};

// A connection. One thread at a time, but for interrupt().
class Database {
 public:
  // Opens the file or makes it.
  explicit Database(const std::string& file);
  ~Database();
  Database(Database&& other) noexcept;
  Database& operator=(Database&&) = delete;
  Database(const Database&) = delete;

  void run(const std::string& sql);
  // The first column of the only row. Throws also when there is none.
  std::int64_t number(const std::string& sql);
  std::string text(const std::string& sql);
  // Ends an open transaction, if there is one.
  void rollback() noexcept;
  // Statements that run end with Interrupted. Thread-safe.
  void interrupt() noexcept;
  // Called when a lock is held by another connection, with the number of calls for this lock before: waits and returns
  // true to try again, or false to fail as busy. Must outlive the connection's use.
  void on_busy(std::function<bool(int earlier_calls)>& wait);
  // A line for each step of the plan, of EXPLAIN QUERY PLAN, joined with "; ".
  std::string plan(const std::string& sql);

 private:
  friend class Statement;
  [[noreturn]] void fail() const;

  sqlite3* database_ = nullptr;
};

// Kept for many executions. The database must outlive it.
class Statement {
 public:
  Statement(Database& database, const std::string& sql);
  ~Statement();
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  Statement(const Statement&) = delete;

  // Places count from 1. Text must stay as it is until reset() or the end.
  void bind(int place, std::int64_t value);
  void bind(int place, std::string_view text);
  void bind_blob(int place, std::string_view bytes);
  // Whether there is a row. After the last one, and after an error, the statement has been reset.
  bool step();
  // All of its rows, unseen.
  void finish() {
    while (step()) {
    }
  }
  void reset() noexcept;
  int columns() const;
  // Columns count from 0. A text is valid until the next step.
  std::int64_t number(int column) const;
  std::string_view text(int column) const;

 private:
  Database* database_;
  sqlite3_stmt* statement_ = nullptr;
};

// Removes the file with what SQLite keeps beside it.
void remove_database(const std::string& file) noexcept;

}  // namespace plateau::sqlite
