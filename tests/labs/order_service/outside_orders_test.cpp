// Protects the way from outside to a lane: what has a place arrives, in order and once; what has none is refused.
#include "labs/order_service/outside_orders.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace plateau::order_service {
namespace {

using Clock = std::chrono::steady_clock;

TEST(OutsideOrders, ThereAreSoManyPlacesAndNoMore) {
  OutsideOrders orders;
  EXPECT_TRUE(orders.reserve(OutsideOrders::capacity - 1));
  EXPECT_FALSE(orders.reserve(2));
  EXPECT_TRUE(orders.reserve(1));
  EXPECT_FALSE(orders.reserve(1));
  orders.unreserve(OutsideOrders::capacity);
  OutsideOrder order;
  ASSERT_TRUE(orders.reserve(OutsideOrders::capacity));
  orders.push(order);
  EXPECT_FALSE(orders.reserve(1)) << "one that waits has a place";
  EXPECT_EQ(orders.pop_until(Clock::now()), &order);
  EXPECT_TRUE(orders.reserve(1));
}

TEST(OutsideOrders, NothingComesUntilTheTimeIsOver) {
  OutsideOrders orders;
  const auto until = Clock::now() + std::chrono::milliseconds(20);
  EXPECT_EQ(orders.pop_until(until), nullptr);
  EXPECT_GE(Clock::now(), until);
}

TEST(OutsideOrders, ManySendersLoseNothing) {
  OutsideOrders orders;
  constexpr std::size_t senders = 4;
  constexpr std::size_t each = 5000;
  std::vector<std::vector<OutsideOrder>> sent(senders);
  for (auto& of_one : sent) of_one.resize(each);
  std::vector<std::thread> threads;
  for (auto& of_one : sent) {
    threads.emplace_back([&orders, &of_one] {
      for (std::size_t i = 0; i < each; ++i) {
        of_one[i].id = i;
        while (!orders.reserve(1)) std::this_thread::yield();
        orders.push(of_one[i]);
      }
    });
  }
  std::vector<std::size_t> next(senders);
  for (std::size_t i = 0; i < senders * each; ++i) {
    const OutsideOrder* const order = orders.pop_until(Clock::now() + std::chrono::seconds(60));
    ASSERT_NE(order, nullptr) << i;
    std::size_t sender = 0;
    while (order < sent[sender].data() || order >= sent[sender].data() + each) ++sender;
    ASSERT_EQ(order->id, next[sender]++) << "in the order in which it was sent";
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(orders.pop_until(Clock::now()), nullptr);
}

}  // namespace
}  // namespace plateau::order_service
