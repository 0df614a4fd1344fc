// Protects the pair: the same answers for as long as records are kept, and bounded memory after the fix.
#include "labs/order_service/history.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "allocators/pool.hpp"
#include "labs/order_service/calibration.hpp"

namespace plateau::order_service {
namespace {

constexpr std::size_t block_bytes = 4096;

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

}  // namespace
}  // namespace plateau::order_service
