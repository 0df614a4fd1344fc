#include "labs/order_statistics/lock_waits.hpp"

#include <algorithm>
#include <thread>

#include "labs/order_statistics/calibration.hpp"

namespace plateau::order_statistics {

LockWaits::LockWaits(sqlite::Database& database, const std::atomic<bool>& stopping)
    : stopping_(stopping), handler_([this](int /*earlier_calls*/) { return wait(); }) {
  database.on_busy(handler_);
}

bool LockWaits::wait() {
  if (stopping_.load(std::memory_order_relaxed) || now_ > lock_patience) return false;
  if (now_.count() == 0) waits_.fetch_add(1, std::memory_order_relaxed);
  const auto begin = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(lock_poll);
  now_ += std::chrono::steady_clock::now() - begin;
  longest_ = std::max(longest_, now_);
  return true;
}

}  // namespace plateau::order_statistics
