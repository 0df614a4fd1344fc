// The service: answers questions from its cache or the store, and keeps count of what that took.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "labs/harness/measure/latency_histogram.hpp"
#include "labs/order_statistics/fixes/local_cache.hpp"
#include "labs/order_statistics/store.hpp"

namespace plateau::order_statistics {

// Queries that run at the same time, and how many of them are for one question. Thread-safe.
class InFlight {
 public:
  class Query {
   public:
    Query(InFlight& all, int key) : all_(all), key_(key) { all_.change(key_, 1); }
    ~Query() { all_.change(key_, -1); }
    Query(const Query&) = delete;
    Query& operator=(const Query&) = delete;

   private:
    InFlight& all_;
    int key_;
  };
  int most() const { return most_; }
  int most_of_one() const { return most_of_one_; }

 private:
  void change(int key, int by);

  std::mutex mutex_;
  std::map<int, int> now_;
  int all_now_ = 0, most_ = 0, most_of_one_ = 0;
};

// Wrong fix `cache-everything`: the orders of every month that was asked for. Thread-safe.
class KeptOrders {
 public:
  Answer answer(Reader& reader, const Question& question);

 private:
  struct Day {
    int day = 0;
    std::vector<WholeOrder> orders;
  };
  std::mutex mutex_;
  std::map<int, std::vector<Day>> by_question_;
};

class Desk {
 public:
  Desk(const Fixes& fixes, const CacheSettings& cache);
  Desk(const Desk&) = delete;
  Desk& operator=(const Desk&) = delete;

  // With the caller's connection. Thread-safe; throws as Reader::ask.
  LocalCache::Kept answer(Reader& reader, const Question& question);

  // Of queries, without their waiting for locks; a copy.
  harness::LatencyHistogram query_time() const;
  std::chrono::nanoseconds cpu() const { return std::chrono::nanoseconds(cpu_ns_.load(std::memory_order_relaxed)); }
  CacheCounts cache() const { return cache_.counts(); }
  const InFlight& in_flight() const { return in_flight_; }

 private:
  Answer query(Reader& reader, const Question& question);

  const Fixes fixes_;
  LocalCache cache_;
  KeptOrders kept_orders_;
  InFlight in_flight_;
  std::atomic<std::int64_t> cpu_ns_{0};
  mutable std::mutex mutex_;
  harness::LatencyHistogram query_time_;
};

}  // namespace plateau::order_statistics
