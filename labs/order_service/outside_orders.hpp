// Orders and questions that come from outside, on their way to the lanes of a service.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <mutex>

#include "labs/order_service/calibration.hpp"
#include "labs/order_service/order.hpp"

namespace plateau::order_service {

// An order to be handled, or the number of one that is asked for. Owned by who sent it, until it is done.
struct OutsideOrder {
  static constexpr OrderId newest = std::numeric_limits<OrderId>::max();  // the last one of the lane

  Order* order = nullptr;  // null: `id` is asked for
  OrderId id = 0;          // of an order to be handled: given by the lane
  std::chrono::steady_clock::time_point arrived{};
  std::uint64_t total_cents = 0;
  bool found = false;
  // Called by the lane's worker, once; the order may be gone before it returns.
  std::function<void()> done = {};
};

// Of one lane: many senders, one worker at a time. Of fixed size.
class OutsideOrders {
 public:
  static constexpr std::size_t capacity = 1024;

  // Takes `count` places, of which each push() fills one; false when there are not so many.
  bool reserve(std::size_t count) {
    const std::scoped_lock lock(mutex_);
    if (reserved_ + count > capacity) return false;
    reserved_ += count;
    return true;
  }
  void unreserve(std::size_t count) {
    const std::scoped_lock lock(mutex_);
    reserved_ -= count;
  }
  void push(OutsideOrder& order) {
    const std::scoped_lock lock(mutex_);
    ring_[tail_++ % capacity] = &order;
    came_.notify_one();
  }

  // Null when none has come until then.
  OutsideOrder* pop_until(std::chrono::steady_clock::time_point until) {
    std::unique_lock lock(mutex_);
    if (!came_.wait_until(lock, until, [this] { return head_ != tail_; })) return nullptr;
    --reserved_;
    return ring_[head_++ % capacity];
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::array<OutsideOrder*, capacity> ring_{};
  std::uint64_t head_ = 0;
  std::uint64_t tail_ = 0;
  std::size_t reserved_ = 0;  // those in the ring too
};

}  // namespace plateau::order_service
