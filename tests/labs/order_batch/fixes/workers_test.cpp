// Protects the pool: its queue has an end, errors reach their futures, and it ends by draining or by dropping.
#include "labs/order_batch/fixes/workers.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <stdexcept>
#include <thread>
#include <vector>

namespace plateau::order_batch {
namespace {

TEST(Workers, AnErrorReachesItsFutureAndNoOther) {
  WorkerPool pool(2, no_end_of_the_queue);
  auto good = pool.submit([] {});
  auto bad = pool.submit([] { throw std::runtime_error("no"); });
  EXPECT_NO_THROW(good.get());
  EXPECT_THROW(bad.get(), std::runtime_error);
}

TEST(Workers, AllRunAtTheSameTime) {
  constexpr std::size_t workers = 8;
  WorkerPool pool(workers, no_end_of_the_queue);
  std::latch all(workers);  // would never open with a worker less
  std::vector<std::future<void>> futures;
  for (std::size_t i = 0; i < workers; ++i) futures.push_back(pool.submit([&] { all.arrive_and_wait(); }));
  for (auto& future : futures) future.get();
}

TEST(Workers, SubmissionWaitsWhenTheQueueIsFull) {
  WorkerPool pool(1, 3);
  std::latch gate(1);
  std::atomic<int> submitted{0};
  std::vector<std::future<void>> futures;
  std::thread submitter([&] {
    for (int i = 0; i < 5; ++i) {
      futures.push_back(pool.submit([&] { gate.wait(); }));
      ++submitted;
    }
  });
  while (submitted < 3) std::this_thread::yield();
  for (int i = 0; i < 1000; ++i) std::this_thread::yield();
  EXPECT_EQ(submitted, 3);
  gate.count_down();
  submitter.join();
  EXPECT_EQ(submitted, 5);
}

struct Ended {
  int run = 0;
  int cancelled = 0;
};

Ended end_with_nine_waiting(WorkerPool::Ending ending) {
  WorkerPool pool(1, no_end_of_the_queue);
  std::latch begun(1);
  std::latch gate(1);
  std::atomic<int> run{0};
  std::vector<std::future<void>> futures;
  futures.push_back(pool.submit([&] {
    begun.count_down();
    gate.wait();
    ++run;
  }));
  for (int i = 0; i < 9; ++i) futures.push_back(pool.submit([&] { ++run; }));
  begun.wait();
  if (ending == WorkerPool::Ending::drop) pool.drop_what_waits();
  gate.count_down();
  pool.end(ending);
  Ended ended{.run = run};
  for (auto& future : futures) {
    try {
      future.get();
    } catch (const Cancelled&) {
      ++ended.cancelled;
    }
  }
  return ended;
}

TEST(Workers, DrainingDoesAllThatWasSubmitted) {
  const Ended ended = end_with_nine_waiting(WorkerPool::Ending::drain);
  EXPECT_EQ(ended.run, 10);
  EXPECT_EQ(ended.cancelled, 0);
}

TEST(Workers, DroppingDoesWhatHasBegunAndTellsTheRest) {
  const Ended ended = end_with_nine_waiting(WorkerPool::Ending::drop);
  EXPECT_EQ(ended.run, 1);
  EXPECT_EQ(ended.cancelled, 9);
}

TEST(Workers, NothingIsTakenAfterTheEnd) {
  WorkerPool pool(1, no_end_of_the_queue);
  pool.end(WorkerPool::Ending::drain);
  EXPECT_THROW(pool.submit([] {}), std::logic_error);
}

TEST(Workers, AreAsManyAsTheLawSays) {
  EXPECT_EQ(workers_for(2, 0, 1), 2U);
  EXPECT_EQ(workers_for(2, 9, 1), 20U);
  EXPECT_EQ(workers_for(4, 1, 3), 6U) << "rounded up";
}

TEST(Workers, BeforeIsDoneWhenItIsSubmitted) {
  bool done = false;
  submit_before(
      nullptr, [&] { done = true; }, nullptr)
      .get();
  EXPECT_TRUE(done);
}

}  // namespace
}  // namespace plateau::order_batch
