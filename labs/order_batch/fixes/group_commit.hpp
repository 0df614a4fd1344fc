// Fix `group_commit`: many orders in one transaction, bounded by count and time. Before: a transaction and its fsync
// for each order.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "labs/order_batch/job.hpp"
#include "labs/order_batch/store.hpp"

namespace plateau::order_batch {

// Writes orders into a store, one at a time, and tells what became of each.
class Recorder {
 public:
  // Called for each job, by one thread at a time: when its order is on the disk, or with why it will not be. Then the
  // job is the callee's.
  using Done = std::function<void(Job*, const std::string& error)>;

  Recorder(Store& store, Done done) : store_(store), done_(std::move(done)) {}
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // All of them in one transaction. When that fails each is tried by itself, so that one bad order fails alone.
  // Thread-safe. Never throws: an error goes to `done`.
  void record(const std::vector<Job*>& jobs) noexcept;

  std::uint64_t commits() const { return commits_.load(std::memory_order_relaxed); }
  std::chrono::nanoseconds time_in_commits() const {
    return std::chrono::nanoseconds(ns_.load(std::memory_order_relaxed));
  }

 private:
  std::string try_to_record(const std::vector<Job*>& jobs) noexcept;

  Store& store_;
  const Done done_;
  std::mutex mutex_;
  std::atomic<std::uint64_t> commits_{0};
  std::atomic<std::int64_t> ns_{0};
};

struct GroupBounds {
  std::size_t orders = 256;
  std::chrono::nanoseconds time{};  // from the first order of a group
};

// A thread that records what others hand over.
class GroupCommit {
 public:
  GroupCommit(Recorder& recorder, GroupBounds bounds);
  // Records what is left.
  ~GroupCommit();
  GroupCommit(const GroupCommit&) = delete;
  GroupCommit& operator=(const GroupCommit&) = delete;

  // Thread-safe; returns at once.
  void hand_over(Job* job);

 private:
  void run();

  Recorder& recorder_;
  const GroupBounds bounds_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Job*> waiting_;
  bool ending_ = false;
  std::thread thread_;
};

void record_before(Recorder& recorder, GroupCommit* group, Job* job);
void record_after(Recorder& recorder, GroupCommit* group, Job* job);

}  // namespace plateau::order_batch
