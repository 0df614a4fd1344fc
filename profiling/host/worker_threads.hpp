// A pool of service threads.
#pragma once

#include <cstddef>
#include <list>
#include <mutex>

#include <boost/asio/thread_pool.hpp>

#include "profiling/host/service_thread.hpp"

namespace plateau {

// Asio's thread pool on ServiceThreads: its own constructor waits for ever for the first thread when the second cannot
// be created. Woken by a condition variable, and so from any descriptor table. Thread-safe.
class WorkerThreads {
 public:
  // Begins `first` of `count` threads at once, in the calling thread's descriptor table, and the rest with start().
  // Throws std::system_error, in one line, when they cannot be had; none is left then.
  WorkerThreads(const char* name, std::size_t count, std::size_t first) : name_(name), count_(count) {
    try {
      start_up_to(first);
    } catch (...) {
      pool_.wait();
      throw;
    }
  }
  // Waits until all that was posted is done.
  ~WorkerThreads() { join(); }
  WorkerThreads(const WorkerThreads&) = delete;
  WorkerThreads& operator=(const WorkerThreads&) = delete;

  // Begins those that have not begun. Throws std::system_error, in one line, when they cannot be had.
  void start() { start_up_to(count_); }

  void join() {
    if (threads_.empty()) return;
    pool_.wait();  // for nobody: it only lets the threads go when there is nothing to do
    threads_.clear();
  }

  boost::asio::thread_pool& pool() { return pool_; }

 private:
  void start_up_to(std::size_t wanted) {
    const std::lock_guard lock(mutex_);
    while (threads_.size() < wanted) threads_.emplace_back(name_, [this] { pool_.attach(); });
  }

  const char* name_;
  const std::size_t count_;
  boost::asio::thread_pool pool_{0};
  std::mutex mutex_;
  std::list<ServiceThread> threads_;
};

}  // namespace plateau
