// Fix `workers`: orders overlap in a pool of threads. Before: one after another, on the thread that reads them.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <future>
#include <memory_resource>
#include <semaphore>
#include <stdexcept>

#include <boost/asio/thread_pool.hpp>

namespace plateau::order_batch {

// Why a task's future has an exception when the task never began.
struct Cancelled : std::runtime_error {
  Cancelled() : std::runtime_error("dropped before it was begun") {}
};

// Threads of Boost.Asio's pool behind a queue with an end. One thread submits and ends it.
class WorkerPool {
 public:
  enum class Ending { drain, drop };

  // At most `most_waiting` tasks that are not done; submit() waits for room. Returns when each worker runs and has its
  // stack and its cache of the allocator, which are not the tasks'. Throws std::system_error when there are not so many
  // threads to be had.
  WorkerPool(std::size_t workers, std::ptrdiff_t most_waiting);
  // Ends it, dropping.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // The future has the task's exception, or Cancelled. The queue's record of the task is from `memory`, and goes back
  // there before the task begins. Throws std::logic_error after end().
  std::future<void> submit(std::function<void()> task,
                           std::pmr::memory_resource* memory = std::pmr::new_delete_resource());
  // Tasks that have not begun do not begin from now on: their futures have Cancelled. Thread-safe.
  void drop_what_waits() { dropping_.store(true); }
  // Returns when no task runs or waits.
  void end(Ending ending);

 private:
  void meet(std::size_t workers);

  std::counting_semaphore<> room_;
  std::atomic<bool> dropping_{false};
  bool ended_ = false;
  boost::asio::thread_pool threads_;
};

inline constexpr std::ptrdiff_t no_end_of_the_queue = std::counting_semaphore<>::max();

std::future<void> submit_before(WorkerPool* pool, std::function<void()> task, std::pmr::memory_resource* memory);
std::future<void> submit_after(WorkerPool* pool, std::function<void()> task, std::pmr::memory_resource* memory);

// How many threads keep `cores` busy with work that computes and waits so long: cores x (1 + wait / compute), rounded
// up (B. Goetz and others, "Java Concurrency in Practice", 2006, section 8.2). At least one a core.
std::size_t workers_for(std::size_t cores, double wait_ms, double compute_ms);

}  // namespace plateau::order_batch
