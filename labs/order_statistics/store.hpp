// The store as an arm uses it: made ready for its fixes, read by its clients, written by who takes the orders. Errors
// are std::runtime_error with SQLite's own words.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "labs/order_statistics/fixes.hpp"
#include "labs/order_statistics/lock_waits.hpp"
#include "labs/order_statistics/orders.hpp"
#include "labs/order_statistics/question.hpp"
#include "labs/sqlite/sqlite.hpp"

namespace plateau::order_statistics {

struct StoreUse {
  std::string file;
  std::uint64_t seed = 1;
  std::uint64_t rows = 0;
  Fixes fixes;  // with what goes along
};

// Takes out what an earlier run wrote, makes the indexes that the fixes want, drops the others, and sets the journal.
// Nobody else may use the file. Gives the bytes of the indexes; empty where this SQLite cannot tell (no dbstat).
std::optional<std::uint64_t> make_ready(const StoreUse& use);

// An order as it is stored, whole.
struct WholeOrder {
  std::string created_at;
  std::string status;
  std::int64_t customer = 0;
  std::int64_t cents = 0;
  std::string note;
};

// A client's connection.
class Reader {
 public:
  // Connected as those of a pool are: its first query is as quick as the others.
  Reader(const StoreUse& use, const std::atomic<bool>& stopping);
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // As the fixes say.
  Answer ask(const Question& question);
  // The same from the orders, whatever roll-up there is.
  Answer ask_the_orders(const Question& question);
  // Calls `each` with the day of every order of the month, the latest first.
  void read_orders(const Question& question, const std::function<void(int day, WholeOrder order)>& each);
  // Thread-safe; see Database::interrupt.
  void interrupt() noexcept { database_.interrupt(); }
  std::string plan(const Question& question);
  const LockWaits& locks() const { return locks_; }

 private:
  // One for each kind of question.
  struct Pair {
    std::optional<sqlite::Statement> all;
    std::optional<sqlite::Statement> active;
    std::optional<sqlite::Statement>& of(const Question& question) { return question.active_only ? active : all; }
  };

  Answer select(Pair& statements, const Fixes& fixes, const Question& question);
  Answer ask_by_pages(const Question& question);

  const Fixes fixes_;
  sqlite::Database database_;
  LockWaits locks_;
  Pair select_, select_from_orders_, page_, whole_;
};

// The connection of who takes the orders.
class Writer {
 public:
  Writer(const StoreUse& use, std::uint64_t note_bytes, const std::atomic<bool>& stopping);
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // All of them in one transaction, which is on the disk when this returns. Nothing of it is there when it throws.
  void write(std::span<const Order> orders);
  const LockWaits& locks() const { return locks_; }

 private:
  void insert(const Order& order);

  sqlite::Database database_;
  LockWaits locks_;
  sqlite::Statement begin_, insert_, commit_;
  std::optional<sqlite::Statement> roll_up_;
  std::string note_;
};

}  // namespace plateau::order_statistics
