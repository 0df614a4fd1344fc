// The batch: reads orders, and sees each through to its acknowledgement or to a line in the report.
//
// reader ──submit──► worker: validate, price, encode, ask the partner ──► recorder: commit ──► acknowledged
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "labs/limiter/limiter.hpp"
#include "labs/order_batch/calibration.hpp"
#include "labs/order_batch/fixes.hpp"
#include "labs/order_batch/fixes/backpressure.hpp"
#include "labs/order_batch/fixes/group_commit.hpp"
#include "labs/order_batch/fixes/limiter.hpp"
#include "labs/order_batch/fixes/ownership.hpp"
#include "labs/order_batch/fixes/workers.hpp"
#include "labs/order_batch/order_source.hpp"
#include "labs/order_batch/partner_client.hpp"
#include "labs/order_batch/store.hpp"

namespace plateau::order_batch {

struct BatchOptions {
  Fixes fixes;
  std::uint16_t partner_port = 0;
  std::chrono::milliseconds patience{default_patience_ms};
  std::size_t workers = 1;
  std::size_t in_flight_bytes = default_in_flight_bytes;
  LimiterSettings limiter;
  WorkerPool::Ending on_stop = WorkerPool::Ending::drain;  // what becomes of orders that have not been begun
  unsigned attempts = most_attempts;
};

// What a batch tells while it runs, each by one thread at a time.
struct BatchObserver {
  using Clock = std::chrono::steady_clock;
  // The order is acknowledged: it is on the disk, and it was submitted then.
  std::function<void(const Record&, Clock::time_point submitted)> acknowledged = [](const Record&, Clock::time_point) {
  };
  // It will not be.
  std::function<void(OrderNumber)> failed = [](OrderNumber) {};
  // When the order may be read; of a batch, now.
  std::function<void(OrderNumber)> await = [](OrderNumber) {};
  // Recorded by an earlier run, and passed over.
  std::function<bool(OrderNumber)> is_recorded = [](OrderNumber) { return false; };
};

struct Failure {
  OrderNumber number = 0;
  std::string reason;
};

struct BatchReport {
  std::uint64_t acknowledged = 0;
  std::uint64_t passed_over = 0;
  std::vector<Failure> failures;            // by number
  std::optional<OrderNumber> first_unread;  // a stop came before it
  std::uint64_t attempts = 0;
  std::uint64_t refusals = 0;
  std::uint64_t silences = 0;  // closed, or not answered in time
  std::uint64_t commits = 0;
  std::size_t most_bytes_in_flight = 0;
  double mean_bytes = 0;               // of an order
  std::uint64_t most_not_durable = 0;  // acknowledged, and not on the disk
  // Sums over all orders: what a worker computed, waited for the partner, and what commits took.
  std::chrono::nanoseconds compute{};
  std::chrono::nanoseconds partner{};
  std::chrono::nanoseconds commit{};
};

// "1204-1999, 2007", of ascending numbers.
std::string format_numbers(const std::vector<OrderNumber>& numbers);

class Batch {
 public:
  // Starts and connects the workers. `source`, `store` must outlive it. Throws std::system_error when there are not so
  // many threads or connections to be had.
  Batch(const BatchOptions& options, OrderSource& source, Store& store, BatchObserver observer);
  ~Batch();
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  // By the thread that made it, once: until all orders are acknowledged or have failed, or the stop has been followed.
  BatchReport run(const std::stop_token& stop);

 private:
  using Clock = BatchObserver::Clock;
  Job* make_job();
  void end_job(Job* job);
  void submit(Job* job);
  void process(Job* job);
  std::uint64_t ask_partner(const Job& job);
  void record(Job* job);
  void recorded(Job* job, const std::string& error);
  void acknowledge(const Job& job);
  void fail(OrderNumber number, std::string reason);
  void join_done_futures(bool all);

  const BatchOptions options_;
  const Fixes fixes_;
  OrderSource& source_;
  BatchObserver observer_;
  Limiter limiter_;
  BytesInFlight in_flight_;
  TravellingArenas arenas_;
  PartnerClients clients_;
  Recorder recorder_;
  std::optional<GroupCommit> group_;
  std::optional<WorkerPool> pool_;

  struct Submitted {
    OrderNumber number;
    Job* job;  // of a future that ends with Cancelled
    std::future<void> future;
  };
  std::deque<Submitted> submitted_;  // by the reader

  std::mutex report_mutex_;
  BatchReport report_;
  std::uint64_t durable_ = 0;
  std::uint64_t submitted_bytes_ = 0;  // by the reader, as the next
  std::uint64_t submitted_orders_ = 0;
  std::atomic<std::uint64_t> attempts_{0}, refusals_{0}, silences_{0};
  std::atomic<std::int64_t> compute_ns_{0}, partner_ns_{0};
};

}  // namespace plateau::order_batch
