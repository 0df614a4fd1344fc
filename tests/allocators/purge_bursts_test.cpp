// Protects what counts as one purge: calls of one thread that follow each other closely, and no others.
#include "allocators/purge_bursts.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace plateau {
namespace {

constexpr std::uint64_t microsecond = 1000;
constexpr std::uint64_t millisecond = 1'000'000;
constexpr std::uint64_t second = 1000 * millisecond;

PurgeEvent event(std::uint64_t start_ns, std::uint64_t wall_ns, std::uint32_t thread = 1, bool background = false) {
  return {.start_ns = start_ns,
          .wall_ns = wall_ns,
          .cpu_ns = wall_ns / 2,
          .bytes = 4096,
          .thread = thread,
          .arena = 3,
          .background = background};
}

std::vector<PurgeBurst> rest(PurgeBursts& bursts, std::uint64_t now = UINT64_MAX) {
  std::vector<PurgeBurst> result;
  while (const auto burst = bursts.take_ended(now)) result.push_back(*burst);
  return result;
}

TEST(PurgeBursts, CloseCallsOfAThreadAreOne) {
  PurgeBursts bursts;
  for (std::uint64_t i = 0; i < 10; ++i) {
    EXPECT_FALSE(bursts.add(event(second + i * millisecond, 100 * microsecond)));
  }
  const auto ended = rest(bursts);
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].calls, 10U);
  EXPECT_EQ(ended[0].bytes, 10 * 4096U);
  EXPECT_EQ(ended[0].start_ns, second);
  EXPECT_EQ(ended[0].end_ns, second + 9 * millisecond + 100 * microsecond);
  EXPECT_EQ(ended[0].wall_ns, millisecond);
  EXPECT_EQ(ended[0].cpu_ns, millisecond / 2);
  EXPECT_EQ(ended[0].arena, 3U);
  EXPECT_FALSE(ended[0].background);
}

TEST(PurgeBursts, TheGapCountsFromTheEndOfACall) {
  PurgeBursts bursts;
  EXPECT_FALSE(bursts.add(event(second, 5 * millisecond)));
  EXPECT_FALSE(bursts.add(event(second + 6 * millisecond - 1, 10))) << "just within the gap";
  const auto ended = bursts.add(event(second + 7 * millisecond + 9, 10));
  ASSERT_TRUE(ended) << "a whole gap later";
  EXPECT_EQ(ended->calls, 2U);
  EXPECT_EQ(rest(bursts).size(), 1U);
}

TEST(PurgeBursts, ThreadsDoNotMix) {
  PurgeBursts bursts;
  for (std::uint64_t i = 0; i < 6; ++i) {
    bursts.add(event(second + i * 10 * microsecond, microsecond, i % 2 == 0 ? 1 : 2, i % 2 == 1));
  }
  auto ended = rest(bursts);
  ASSERT_EQ(ended.size(), 2U);
  if (ended[0].thread != 1) std::swap(ended[0], ended[1]);
  EXPECT_EQ(ended[0].calls, 3U);
  EXPECT_FALSE(ended[0].background);
  EXPECT_EQ(ended[1].thread, 2U);
  EXPECT_EQ(ended[1].calls, 3U);
  EXPECT_TRUE(ended[1].background);
}

TEST(PurgeBursts, EndOnlyWhenNothingCanJoinThem) {
  PurgeBursts bursts;
  bursts.add(event(second, microsecond));
  EXPECT_TRUE(rest(bursts, second).empty()) << "an event may be recorded after the clock was read";
  EXPECT_TRUE(rest(bursts, second + millisecond).empty());
  EXPECT_EQ(rest(bursts, second + millisecond + microsecond).size(), 1U);
  EXPECT_TRUE(rest(bursts).empty());
}

TEST(PurgeBursts, OneThatNeverEndsIsCut) {
  PurgeBursts bursts;
  std::uint64_t ended = 0;
  std::uint64_t calls = 0;
  for (std::uint64_t at = second; at < 11 * second; at += millisecond / 2) {
    if (const auto burst = bursts.add(event(at, microsecond))) {
      ++ended;
      calls += burst->calls;
      EXPECT_LE(burst->end_ns - burst->start_ns, second + microsecond);
    }
  }
  EXPECT_EQ(ended, 9U);
  for (const PurgeBurst& burst : rest(bursts)) calls += burst.calls;
  EXPECT_EQ(calls, 20'000U);
}

TEST(PurgeBursts, MoreThreadsThanPlacesLoseNothing) {
  PurgeBursts bursts;
  std::uint64_t calls = 0;
  for (std::uint32_t round = 0; round < 3; ++round) {
    for (std::uint32_t thread = 1; thread <= 100; ++thread) {
      if (const auto burst = bursts.add(event(second + (round * 100 + thread) * microsecond, 10, thread))) {
        calls += burst->calls;
      }
    }
  }
  for (const PurgeBurst& burst : rest(bursts)) calls += burst.calls;
  EXPECT_EQ(calls, 300U);
}

}  // namespace
}  // namespace plateau
