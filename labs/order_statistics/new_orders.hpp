// Orders that come in while clients ask, at a stated rate, and are taken in groups.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "labs/order_statistics/store.hpp"

namespace plateau::order_statistics {

struct OrderRate {
  double orders_a_second = 1;
  double group_s = 1;  // so often, those that have come are written, in one transaction
};

class NewOrders {
 public:
  using Clock = std::chrono::steady_clock;

  // Begins at once. `stopping` ends it, also while it waits for a lock.
  NewOrders(const StoreUse& use, std::uint64_t note_bytes, const OrderRate& rate, const std::atomic<bool>& stopping);
  // Waits for its thread, which has to have been stopped.
  ~NewOrders();
  NewOrders(const NewOrders&) = delete;
  NewOrders& operator=(const NewOrders&) = delete;

  // Orders that were on the disk at that moment, and those whose transaction has begun by now. Thread-safe.
  std::uint64_t written_by(Clock::time_point moment) const;
  std::uint64_t begun() const { return begun_.load(); }
  // Those that should have been there by now, an interval after they came, and are not.
  std::uint64_t late() const;
  std::chrono::nanoseconds cpu() const { return std::chrono::nanoseconds(cpu_ns_.load(std::memory_order_relaxed)); }

  // After the end. Empty error: it went well.
  void join();
  const std::string& error() const { return error_; }
  const LockWaits& locks() const { return writer_.locks(); }

 private:
  void run();
  std::uint64_t come_by(Clock::time_point moment) const;

  const StoreUse use_;
  const OrderRate rate_;
  const std::atomic<bool>& stopping_;
  Writer writer_;
  const Clock::time_point start_;
  std::atomic<std::uint64_t> begun_{0};
  std::atomic<std::int64_t> cpu_ns_{0};
  mutable std::mutex mutex_;
  std::vector<Clock::time_point> written_;  // of each order
  std::string error_;
  std::thread thread_;
};

}  // namespace plateau::order_statistics
