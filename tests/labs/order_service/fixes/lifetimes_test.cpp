// Protects the pair: the same answers for as long as records are kept, and bounded memory after the fix.
#include "labs/order_service/fixes/lifetimes.hpp"

#include <gtest/gtest.h>

#include <memory_resource>
#include <string>
#include <string_view>

#include "allocators/allocation_counter.hpp"
#include "allocators/pool.hpp"
#include "labs/order_service/calibration.hpp"

namespace plateau::order_service {
namespace {

constexpr std::size_t block_bytes = 4096;

Items some_items(std::pmr::memory_resource* memory) {
  Items items(memory);
  for (int i = 0; i < 20; ++i) {
    items.push_back({nullptr, 1, 100, 100, std::pmr::string("a note that is too long to be kept inside", memory)});
  }
  return items;
}

TEST(OpenBatch, BeforeAndAfterKeepTheSameOrdersAndGiveAllBack) {
  Pool blocks({.block_bytes = arena_block_bytes});
  for (const bool fixed : {false, true}) {
    const AllocationCounts start = thread_allocation_counts();
    OpenBatch batch(fixed, &blocks);
    for (int round = 0; round < 2; ++round) {
      for (OrderId id = 0; id < 100; ++id) batch.keep(id, some_items(batch.memory()), id * 3);
      OrderId expected = 100;
      for (const WorkingOrder* order = batch.newest(); order != nullptr; order = order->previous) {
        ASSERT_EQ(order->id, --expected);
        ASSERT_EQ(order->total_cents, order->id * 3);
        ASSERT_EQ(order->items.size(), 20U);
      }
      EXPECT_EQ(expected, 0U);
      EXPECT_EQ(blocks.statistics().live_blocks > 0, fixed);
      batch.forget();
      EXPECT_EQ(batch.newest(), nullptr);
      EXPECT_EQ(blocks.statistics().live_blocks, 0U);
    }
    const std::uint64_t calls = thread_allocation_counts().calls - start.calls;
    if (fixed) {
      EXPECT_LT(calls, 100U) << "the pool's own: an order asks nothing of the heap";
    } else {
      EXPECT_GT(calls, 2 * 100 * 21U) << "a block for each note and more";
    }
  }
}

TEST(OpenBatch, AnEmptyOneChangesItsMemory) {
  Pool blocks({.block_bytes = arena_block_bytes});
  OpenBatch batch(false, &blocks);
  batch.use(true);
  batch.keep(1, some_items(batch.memory()), 3);
  EXPECT_GT(blocks.statistics().live_blocks, 0U);
  batch.forget();
  batch.use(false);
  batch.keep(2, some_items(batch.memory()), 6);
  EXPECT_EQ(blocks.statistics().live_blocks, 0U);
  EXPECT_EQ(batch.newest()->id, 2U);
}

TEST(History, BeforeAndAfterGiveTheSameRecentTotals) {
  Pool blocks({.block_bytes = block_bytes});
  HistoryAmongTemporaries before;
  HistoryInArenas after(&blocks, block_bytes);
  EXPECT_EQ(before.recent_total_cents(), 0U);
  EXPECT_EQ(after.recent_total_cents(), 0U);
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    const auto now_s = static_cast<std::uint32_t>(i * 7);  // across more than two windows of six hours
    const HistoryEntry entry{i, i * i % 1000, now_s, 1};
    const std::string text(i % 300, 'n');
    const std::string_view note = i % 3 == 0 ? std::string_view() : std::string_view(text);
    before.record(entry, note);
    after.record(entry, note);
    ASSERT_EQ(before.newest_note(), after.newest_note()) << i;
    before.expire(now_s);
    after.expire(now_s);
    ASSERT_EQ(before.recent_total_cents(), after.recent_total_cents()) << i;
  }
}

TEST(History, AfterKeepsSixHoursAndAtMostAQuarterMore) {
  Pool blocks({.block_bytes = block_bytes});
  HistoryInArenas history(&blocks, block_bytes);
  HistoryAmongTemporaries exact;
  for (std::uint32_t now_s = 0; now_s < 4 * static_cast<std::uint32_t>(history_s); now_s += 3) {
    history.record({now_s, 1, now_s, 1}, "note");
    exact.record({now_s, 1, now_s, 1}, "note");
    history.expire(now_s);
    exact.expire(now_s);
    ASSERT_GE(history.records(), exact.records());
    ASSERT_LE(history.records(), exact.records() + 900 / 3);
  }
}

TEST(History, AfterStopsTakingBlocksOnceTheWindowIsFull) {
  Pool blocks({.block_bytes = block_bytes});
  HistoryInArenas history(&blocks, block_bytes);
  std::size_t after_one_window = 0;
  for (std::uint32_t now_s = 0; now_s < 5 * static_cast<std::uint32_t>(history_s); ++now_s) {
    history.record({now_s, 1, now_s, 1}, "a note of the same length each time");
    if (now_s % 32 == 0) history.expire(now_s);
    if (now_s == static_cast<std::uint32_t>(1.5 * history_s)) after_one_window = blocks.statistics().reserved_blocks;
  }
  EXPECT_EQ(blocks.statistics().reserved_blocks, after_one_window);
  EXPECT_LT(history.slack_bytes(), 26 * block_bytes);
}

TEST(History, AGapOfDaysForgetsEverything) {
  Pool blocks({.block_bytes = block_bytes});
  HistoryInArenas history(&blocks, block_bytes);
  history.record({1, 5, 0, 1}, "");
  history.expire(1e6);
  EXPECT_EQ(history.records(), 0U);
  EXPECT_EQ(history.recent_total_cents(), 0U);
  EXPECT_EQ(blocks.statistics().live_blocks, 0U);
}

// Whatever the two are, an order that is remembered is found, and one that is not is not.
void fill(History& history, std::uint32_t orders) {
  for (std::uint32_t i = 0; i < orders; ++i) {
    history.record({i * 2 + 1, i * 3, i * 40, 7}, i % 3 == 0 ? "" : "note " + std::to_string(i));
    history.expire(i * 40);
  }
}

void expect_newest_are_found(const History& history, std::uint32_t orders) {
  const auto remembered = static_cast<std::uint32_t>(history_s / 40);  // at least
  for (std::uint32_t i = orders - remembered; i < orders; ++i) {
    const HistoryEntry* const entry = history.find(i * 2 + 1);
    ASSERT_NE(entry, nullptr) << i;
    ASSERT_EQ(entry->id, i * 2 + 1);
    ASSERT_EQ(entry->total_cents, i * 3);
    ASSERT_EQ(history.find(i * 2), nullptr) << "never recorded";
  }
  EXPECT_EQ(history.find(1), nullptr) << "too old";
  EXPECT_EQ(history.find(orders * 2 + 1), nullptr) << "not yet";
}

TEST(History, FindsWhatItRemembers) {
  Pool blocks({.block_bytes = block_bytes});
  HistoryAmongTemporaries before;
  HistoryInArenas after(&blocks, block_bytes);
  EXPECT_EQ(before.find(1), nullptr);
  EXPECT_EQ(after.find(1), nullptr);
  fill(before, 3000);
  fill(after, 3000);
  expect_newest_are_found(before, 3000);
  expect_newest_are_found(after, 3000);
}

TEST(History, HandsOverAllThatItHolds) {
  Pool blocks({.block_bytes = block_bytes});
  HistoryAmongTemporaries before;
  fill(before, 3000);
  HistoryInArenas after(&blocks, block_bytes);
  before.hand_over(after);
  EXPECT_EQ(after.records(), before.records());
  EXPECT_EQ(after.recent_total_cents(), before.recent_total_cents());
  EXPECT_EQ(after.newest_note(), before.newest_note());
  expect_newest_are_found(after, 3000);
  HistoryAmongTemporaries again;
  after.hand_over(again);
  EXPECT_EQ(again.records(), before.records());
  EXPECT_EQ(again.newest_note(), before.newest_note());
  expect_newest_are_found(again, 3000);
}

}  // namespace
}  // namespace plateau::order_service
