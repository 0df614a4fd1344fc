// Protects the caches' side: they are asked in order, with no lock held, and a cache that ends is never asked again.
#include "allocators/shed_order.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>

#include "allocators/allocation_counter.hpp"

namespace plateau {
namespace {

using namespace std::chrono_literals;

TEST(ShedOrder, AsksInOrderOfPriorityAndThenOfRegistration) {
  ShedOrder order;
  std::string asked;
  const auto cache = [&](char name, int priority) {
    return order.add(
        priority, [] { return 10; },
        [&asked, name](const ShedRequest& request) {
          asked += name;
          return request.bytes;
        });
  };
  const auto c = cache('c', 5);
  const auto a = cache('a', -1);
  const auto d = cache('d', 5);
  const auto b = cache('b', 0);
  order.begin_round();
  EXPECT_EQ(order.left(), 4u);
  while (order.left() > 0) EXPECT_EQ(order.ask_next(7, 1s), 7u);
  EXPECT_EQ(asked, "abcd");
  EXPECT_EQ(order.ask_next(7, 1s), 0u) << "each once a round";
  order.begin_round();
  order.ask_next(7, 1s);
  EXPECT_EQ(asked, "abcda");
  EXPECT_EQ(order.counts().asked, 5u);
  EXPECT_EQ(order.counts().promised_bytes, 50u);
  EXPECT_EQ(order.counts().delivered_bytes, 35u);
}

TEST(ShedOrder, PassesOverCachesThatPromiseNothing) {
  ShedOrder order;
  bool called = false;
  const auto empty = order.add(
      0, [] { return 0; }, [&](const ShedRequest&) { return called = true; });
  const auto full = order.add(
      1, [] { return 5; }, [](const ShedRequest&) { return 4; });
  order.begin_round();
  EXPECT_EQ(order.ask_next(100, 1s), 4u);
  EXPECT_FALSE(called);
  EXPECT_EQ(order.counts().asked, 1u);
}

TEST(ShedOrder, ACacheThatThrowsOrIsLateIsCounted) {
  ShedOrder order;
  const auto broken = order.add(
      0, [] { return 5; }, [](const ShedRequest&) -> std::uint64_t { throw std::runtime_error("broken"); });
  const auto slow = order.add(
      1, [] { return 5; },
      [](const ShedRequest& request) {
        while (std::chrono::steady_clock::now() <= request.deadline) {
        }
        return 5;
      });
  order.begin_round();
  EXPECT_EQ(order.ask_next(5, 1ms), 0u);
  EXPECT_EQ(order.ask_next(5, 1ms), 5u);
  EXPECT_EQ(order.counts().failed, 1u);
  EXPECT_EQ(order.counts().late, 1u);
}

TEST(ShedOrder, ACacheMayRegisterOthersAndEndItselfWhileItIsCalled) {
  ShedOrder order;
  ShedOrder::Registration own;
  ShedOrder::Registration other;
  own = order.add(
      0, [] { return 1; },
      [&](const ShedRequest&) {
        other = order.add(
            1, [] { return 1; }, [](const ShedRequest&) { return 2; });
        own.end();
        return 1;
      });
  order.begin_round();
  EXPECT_EQ(order.ask_next(1, 1s), 1u);
  EXPECT_EQ(order.left(), 0u) << "who comes late waits for the next round";
  order.begin_round();
  EXPECT_EQ(order.ask_next(1, 1s), 2u);
  EXPECT_EQ(order.left(), 0u);
}

TEST(ShedOrder, TheEndOfARegistrationWaitsForTheCallUnderWay) {
  ShedOrder order;
  std::atomic<bool> called{false};
  std::atomic<bool> go_on{false};
  std::atomic<bool> returned{false};
  auto cache = order.add(
      0, [] { return 1; },
      [&](const ShedRequest&) {
        called = true;
        called.notify_one();
        go_on.wait(false);
        returned = true;
        return 1;
      });
  order.begin_round();
  std::thread asker([&] { order.ask_next(1, 1s); });
  called.wait(false);
  EXPECT_EQ(order.left(), 0u) << "no lock is held while a cache is called";
  std::thread releaser([&] {
    go_on = true;
    go_on.notify_one();
  });
  cache.end();
  EXPECT_TRUE(returned);
  asker.join();
  releaser.join();
}

TEST(ShedOrder, ARegistrationMayOutliveTheOrder) {
  ShedOrder::Registration cache;
  {
    ShedOrder order;
    cache = order.add(
        0, [] { return 1; }, [](const ShedRequest&) { return 1; });
  }
  cache.end();
}

TEST(ShedOrder, AskingDoesNotAllocate) {
  ShedOrder order;
  const auto cache = order.add(
      0, [] { return 5; }, [](const ShedRequest&) { return 4; });
  const AllocationCounts before = thread_allocation_counts();
  order.begin_round();
  order.ask_next(100, 1s);
  static_cast<void>(order.counts());
  EXPECT_EQ(thread_allocation_counts().calls, before.calls);
}

}  // namespace
}  // namespace plateau
