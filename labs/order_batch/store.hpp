// The store of orders: SQLite, in a file. A commit is on the disk when it returns (write-ahead log, synchronous=FULL).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "labs/order_batch/order.hpp"
#include "labs/sqlite/sqlite.hpp"

namespace plateau::order_batch {

// Not thread-safe. Functions throw std::runtime_error with SQLite's own words.
class Store {
 public:
  // Opens the file or makes it. `most_pages` of 4 KiB: it is full then; 0: when the disk is.
  explicit Store(const std::string& file, std::uint64_t most_pages = 0);
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
  sqlite::Database database_;
  sqlite::Statement begin_;
  sqlite::Statement insert_;
  sqlite::Statement commit_;
};

}  // namespace plateau::order_batch
