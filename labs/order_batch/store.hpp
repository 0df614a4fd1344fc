// The store of orders: SQLite, in a file. A commit is on the disk when it returns (write-ahead log, synchronous=FULL).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "labs/order_batch/order.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace plateau::order_batch {

// Not thread-safe. Functions throw std::runtime_error with SQLite's own words.
class Store {
 public:
  // Opens the file or makes it. `most_pages` of 4 KiB: it is full then; 0: when the disk is.
  explicit Store(const std::string& file, std::uint64_t most_pages = 0);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  void begin();
  // An order that is there already is refused: each is recorded once.
  void insert(const Record& record, std::string_view message);
  void commit();
  void rollback() noexcept;

  // Numbers of all recorded orders, ascending; what is there more than once stands there more than once.
  std::vector<OrderNumber> numbers();

 private:
  void close() noexcept;
  void run(const char* sql);
  void finish(sqlite3_stmt* statement);
  [[noreturn]] void fail();

  sqlite3* database_ = nullptr;
  sqlite3_stmt* begin_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  sqlite3_stmt* commit_ = nullptr;
};

// Removes the file with what SQLite keeps beside it.
void remove_store(const std::string& file);

}  // namespace plateau::order_batch
