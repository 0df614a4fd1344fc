// Protects the pair: nothing that may still be acknowledged is lost early, and after the fix nothing stays for ever.
#include "labs/order_service/fixes/outbox.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace plateau::order_service {
namespace {

Payload payload() {
  return Payload(new std::string(1000, 'x'), {});
}

std::vector<OrderId> ids_in(const std::string& order) {
  std::vector<OrderId> ids;
  for (OrderId id = 0; id < 200; ++id) ids.push_back(id);
  std::mt19937 random(5);
  if (order == "reverse") std::reverse(ids.begin(), ids.end());
  if (order == "random") std::shuffle(ids.begin(), ids.end(), random);
  return ids;
}

TEST(Outbox, AcknowledgementsInAnyOrderEmptyBoth) {
  for (const char* const order : {"forward", "reverse", "random"}) {
    UnboundedOutbox before;
    BoundedOutbox after(512, 60);
    for (OrderId id = 0; id < 200; ++id) {
      before.keep(id, 0, payload());
      after.keep(id, 0, payload());
    }
    EXPECT_EQ(before.statistics().entries, 200U);
    EXPECT_EQ(after.statistics().entries, 200U);
    for (const OrderId id : ids_in(order)) {
      before.acknowledge(id);
      after.acknowledge(id);
      after.acknowledge(id);  // a second one changes nothing
    }
    EXPECT_EQ(before.statistics().entries, 0U) << order;
    EXPECT_EQ(before.statistics().bytes, 0U);
    EXPECT_EQ(after.statistics().entries, 0U) << order;
    EXPECT_EQ(after.statistics().bytes, 0U);
    EXPECT_EQ(after.statistics().expired, 0U);
  }
}

TEST(Outbox, BeforeGrowsForEverAndAfterDoesNot) {
  UnboundedOutbox before;
  BoundedOutbox after(64, 60);
  for (OrderId id = 0; id < 10'000; ++id) {
    const double now_s = static_cast<double>(id);
    before.keep(id, now_s, payload());
    before.expire(now_s);
    after.keep(id, now_s, payload());
    after.expire(now_s);
    ASSERT_LE(after.statistics().entries, 61U);
  }
  EXPECT_EQ(before.statistics().entries, 10'000U);
  EXPECT_EQ(after.statistics().entries + after.statistics().expired, 10'000U);
}

TEST(Outbox, EntriesLiveTheirWholeLifetimeWhenThereIsRoom) {
  BoundedOutbox outbox(512, 60);
  outbox.keep(1, 100, payload());
  outbox.expire(159.9);
  EXPECT_EQ(outbox.statistics().entries, 1U);
  outbox.expire(160);
  EXPECT_EQ(outbox.statistics().entries, 0U);
  EXPECT_EQ(outbox.statistics().expired, 1U);
}

TEST(Outbox, AFullRingDropsTheOldestAndCountsIt) {
  BoundedOutbox outbox(4, 1e9);
  for (OrderId id = 0; id < 10; ++id) outbox.keep(id, 0, payload());
  EXPECT_EQ(outbox.statistics().entries, 4U);
  EXPECT_EQ(outbox.statistics().expired, 6U);
  outbox.acknowledge(0);  // long gone
  EXPECT_EQ(outbox.statistics().entries, 4U);
  outbox.acknowledge(9);
  EXPECT_EQ(outbox.statistics().entries, 3U);
}

TEST(Outbox, HandsOverWhatMayStillBeAcknowledged) {
  UnboundedOutbox before;
  for (const OrderId id : ids_in("random")) before.keep(id, 0, payload());
  BoundedOutbox after(512, 60);
  before.hand_over(after, 100);
  EXPECT_EQ(before.statistics().entries, 0U);
  EXPECT_EQ(before.statistics().bytes, 0U);
  EXPECT_EQ(after.statistics().entries, 200U);
  after.expire(159);
  EXPECT_EQ(after.statistics().expired, 0U) << "kept from now on";
  for (OrderId id = 0; id < 100; ++id) after.acknowledge(id);
  UnboundedOutbox again;
  after.hand_over(again, 160);
  EXPECT_EQ(after.statistics().entries, 0U);
  EXPECT_EQ(after.statistics().bytes, 0U);
  EXPECT_EQ(again.statistics().entries, 100U);
  for (OrderId id = 100; id < 200; ++id) again.acknowledge(id);
  EXPECT_EQ(again.statistics().entries, 0U);
  EXPECT_EQ(again.statistics().bytes, 0U);
}

TEST(Outbox, HandsOverToASmallerOneTheNewest) {
  UnboundedOutbox before;
  for (OrderId id = 0; id < 200; ++id) before.keep(id, 0, payload());
  BoundedOutbox after(64, 60);
  before.hand_over(after, 0);
  EXPECT_EQ(after.statistics().entries, 64U);
  EXPECT_EQ(after.statistics().expired, 136U);
  for (OrderId id = 136; id < 200; ++id) after.acknowledge(id);
  EXPECT_EQ(after.statistics().entries, 0U);
}

}  // namespace
}  // namespace plateau::order_service
