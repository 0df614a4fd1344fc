// Waiting for a lock of SQLite's, counted: its busy handler is called when another connection holds what is wanted.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>

#include "labs/sqlite/sqlite.hpp"

namespace plateau::order_statistics {

// Of one connection, by the thread that uses it.
class LockWaits {
 public:
  // Waits end, and what waited fails as busy, when `stopping` is set or patience is over. Both must outlive this.
  LockWaits(sqlite::Database& database, const std::atomic<bool>& stopping);
  LockWaits(const LockWaits&) = delete;
  LockWaits& operator=(const LockWaits&) = delete;

  // From here on it is another operation.
  void begin_operation() { now_ = {}; }
  // What the operation has waited; 0 when it met no lock.
  std::chrono::nanoseconds of_operation() const { return now_; }
  std::chrono::nanoseconds longest() const { return longest_; }
  // Also for other threads, while it waits.
  std::uint64_t operations_that_waited() const { return waits_.load(std::memory_order_relaxed); }

 private:
  bool wait();

  const std::atomic<bool>& stopping_;
  std::chrono::nanoseconds now_{};
  std::chrono::nanoseconds longest_{};
  std::atomic<std::uint64_t> waits_{0};
  std::function<bool(int)> handler_;
};

}  // namespace plateau::order_statistics
