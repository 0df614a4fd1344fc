// Clients: a steady phase in which each asks, thinks, and asks again, and a rush in which requests come whether or not
// those before are answered. Every answer is held against what it has to be.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>

#include "labs/order_statistics/desk.hpp"
#include "labs/order_statistics/new_orders.hpp"
#include "labs/order_statistics/orders.hpp"
#include "labs/order_statistics/store.hpp"

namespace plateau::order_statistics {

struct LoadSettings {
  std::uint64_t seed = 1;
  std::size_t clients = 2;  // of the steady phase
  double think_s = 1;
  double steady_s = 0;
  double rush_rate = 0;
  double rush_s = 0;
  std::chrono::nanoseconds allowed_age{};  // of an answer when it was asked for
};

struct LoadObserver {
  using Clock = std::chrono::steady_clock;
  // An answer is there to a request that was due then; by one thread at a time.
  std::function<void(Clock::time_point due)> answered = [](Clock::time_point) {};
  // The digest of the steady phase's answers, in the order of their numbers.
  std::function<void(std::uint64_t digest)> digest = [](std::uint64_t) {};
};

class Load {
 public:
  using Clock = std::chrono::steady_clock;

  // Connects. What is referred to must outlive it; `stopping` is set by rush() and ends everything.
  Load(const LoadSettings& settings, const StoreUse& use, Desk& desk, const Truth& truth, const NewOrders& new_orders,
       std::atomic<bool>& stopping, LoadObserver observer);
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Until the time is over and the last answer has come. Throws what a client met.
  void steady();
  // Until the time is over; what runs then is interrupted. Sets `stopping`.
  void rush();
  // Request i when it is due, for ever; throws what a client met.
  void serve(const std::function<Clock::time_point(std::uint64_t)>& due);

  std::uint64_t steady_requests() const { return steady_requests_; }
  double steady_seconds() const { return steady_seconds_; }
  std::uint64_t unanswered() const { return unanswered_; }
  std::uint64_t wrong() const { return wrong_; }
  std::uint64_t lock_waits() const;
  std::chrono::nanoseconds longest_lock_wait() const;

 private:
  void on_clients(std::size_t clients, const std::function<void(std::size_t client)>& work);
  // The answer's digest.
  std::uint64_t ask(std::size_t client, std::uint64_t number, Clock::time_point due);
  void add_digest(std::uint64_t number, std::uint64_t digest);

  const LoadSettings settings_;
  Desk& desk_;
  const Truth& truth_;
  const NewOrders& new_orders_;
  std::atomic<bool>& stopping_;
  LoadObserver observer_;
  std::deque<Reader> readers_;

  std::mutex mutex_;
  std::map<std::uint64_t, std::uint64_t> digests_;  // whose turn has not come
  std::uint64_t next_digest_ = 0;
  std::string error_;
  std::atomic<std::uint64_t> wrong_{0};
  std::uint64_t steady_requests_ = 0;
  double steady_seconds_ = 0;
  std::uint64_t unanswered_ = 0;
};

}  // namespace plateau::order_statistics
