#include "labs/order_batch/fixes/workers.hpp"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <latch>
#include <memory>
#include <utility>

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/post.hpp>

#include "labs/order_batch/calibration.hpp"

namespace plateau::order_batch {
namespace {

// Stacks of threads that start while it lives are small: they are reserved address space, which RLIMIT_DATA counts.
class SmallStacks {
 public:
  SmallStacks() {
    ::pthread_getattr_default_np(&before_);
    pthread_attr_t small = before_;
#ifndef __SANITIZE_THREAD__  // which keeps more than that on each stack, for itself
    ::pthread_attr_setstacksize(&small, worker_stack_bytes);
#endif
    ::pthread_setattr_default_np(&small);
  }
  ~SmallStacks() {
    ::pthread_setattr_default_np(&before_);
  }
  SmallStacks(const SmallStacks&) = delete;
  SmallStacks& operator=(const SmallStacks&) = delete;

 private:
  pthread_attr_t before_{};
};

std::size_t with_small_stacks(std::size_t workers, const SmallStacks& /*until they are started*/) {
  return workers;
}

// As deep as a task goes.
[[gnu::noinline]] void touch_own_memory() {
  constexpr std::size_t depth = 16 * 1024;
  std::array<volatile char, depth> stack;
  for (std::size_t i = 0; i < depth; i += 1024) stack[i] = 0;
  const auto block = std::make_unique<volatile char[]>(64);
  block[0] = 0;
}

}  // namespace

WorkerPool::WorkerPool(std::size_t workers, std::ptrdiff_t most_waiting)
    : room_(most_waiting), threads_(with_small_stacks(workers, SmallStacks())) {
  meet(workers);
}

// Nobody leaves before all have come, so each thread is here once.
void WorkerPool::meet(std::size_t workers) {
  std::latch all(static_cast<std::ptrdiff_t>(workers));
  std::latch gone(static_cast<std::ptrdiff_t>(workers));
  for (std::size_t i = 0; i < workers; ++i) {
    boost::asio::post(threads_, [&all, &gone] {
      ::pthread_setname_np(::pthread_self(), "worker");  // by which profiles tell them from the reader
      touch_own_memory();
      all.arrive_and_wait();
      gone.count_down();
    });
  }
  gone.wait();
}

WorkerPool::~WorkerPool() {
  end(Ending::drop);
}

std::future<void> WorkerPool::submit(std::function<void()> task, std::pmr::memory_resource* memory) {
  if (ended_) throw std::logic_error("the pool of workers has ended");
  room_.acquire();
  std::promise<void> promise;
  std::future<void> future = promise.get_future();
  auto run = [this, promise = std::move(promise), task = std::move(task)]() mutable {
    try {
      if (dropping_.load()) throw Cancelled();
      task();
      promise.set_value();
    } catch (...) {
      promise.set_exception(std::current_exception());
    }
    room_.release();
  };
  boost::asio::post(threads_, boost::asio::bind_allocator(std::pmr::polymorphic_allocator<>(memory), std::move(run)));
  return future;
}

void WorkerPool::end(Ending ending) {
  if (ended_) return;
  ended_ = true;
  if (ending == Ending::drop) dropping_.store(true);
  threads_.join();
}

std::future<void> submit_before(WorkerPool* /*pool*/, std::function<void()> task,
                                std::pmr::memory_resource* /*memory*/) {
  std::packaged_task<void()> now(std::move(task));
  now();
  return now.get_future();
}

std::future<void> submit_after(WorkerPool* pool, std::function<void()> task, std::pmr::memory_resource* memory) {
  return pool->submit(std::move(task), memory);
}

std::size_t workers_for(std::size_t cores, double wait_ms, double compute_ms) {
  const double workers = static_cast<double>(cores) * (1 + std::max(wait_ms, 0.0) / std::max(compute_ms, 1e-3));
  return std::clamp(static_cast<std::size_t>(std::ceil(workers)), cores, most_workers);
}

}  // namespace plateau::order_batch
