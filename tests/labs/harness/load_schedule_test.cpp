// Protects the open loop of a service: a change of the rate moves nothing that was due, and loses no operation.
#include "labs/harness/load/load_schedule.hpp"

#include <gtest/gtest.h>

namespace plateau::harness {
namespace {

using namespace std::chrono_literals;

class LoadScheduleTest : public ::testing::Test {
 protected:
  LoadScheduleTest() { schedule_.start(10, begin_); }
  std::chrono::nanoseconds due(std::uint64_t index) const { return schedule_.due(index) - begin_; }

  const LoadSchedule::Clock::time_point begin_{1000s};
  LoadSchedule schedule_;
};

TEST_F(LoadScheduleTest, OperationsAreDueAtASteadyRate) {
  EXPECT_EQ(due(0), 0s);
  EXPECT_EQ(due(1), 100ms);
  EXPECT_EQ(due(1000), 100s);
}

TEST_F(LoadScheduleTest, WhatWasDueStaysDueWhenItWas) {
  schedule_.change(100, begin_ + 1s);  // 0 to 10 are due by then
  for (std::uint64_t i = 0; i <= 10; ++i) EXPECT_EQ(due(i), i * 100ms) << i;
  EXPECT_EQ(due(11), 1s);
  EXPECT_EQ(due(12), 1010ms);
  schedule_.change(1, begin_ + 1005ms);
  EXPECT_EQ(due(11), 1s);
  EXPECT_EQ(due(12), 1005ms);
  EXPECT_EQ(due(13), 2005ms);
}

TEST_F(LoadScheduleTest, NoLoadIsDueNeverUntilThereIsSome) {
  schedule_.change(0, begin_ + 1s);
  EXPECT_EQ(due(10), 1s);
  EXPECT_EQ(schedule_.due(11), LoadSchedule::Clock::time_point::max());
  EXPECT_EQ(schedule_.operations_per_second(), 0);
  schedule_.change(10, begin_ + 5s);
  EXPECT_EQ(due(11), 5s);
  EXPECT_EQ(due(12), 5100ms);
}

TEST_F(LoadScheduleTest, ThingsAreDueInOrderHoweverOftenTheRateChanges) {
  auto now = begin_;
  for (int i = 0; i < 1000; ++i) {
    now += 37ms;
    schedule_.change(i % 7 * 13, now);
  }
  schedule_.change(5, now);
  // Of the last 255 rates each operation still has its own time.
  const auto last = static_cast<std::uint64_t>(1000 * 0.037 * 50);
  for (std::uint64_t i = last; i < last + 500; ++i) ASSERT_LE(schedule_.due(i), schedule_.due(i + 1)) << i;
}

TEST_F(LoadScheduleTest, SpreadOutEachIsInItsSlot) {
  LoadSchedule spread;
  spread.start(10, begin_, LoadSpread::random);
  std::chrono::nanoseconds sum{0};
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    const std::chrono::nanoseconds place = spread.due(i) - begin_ - i * 100ms;
    ASSERT_GE(place, 0ns) << i;
    ASSERT_LE(place, 100ms) << i;
    sum += place;
  }
  EXPECT_GT(sum / 10'000, 48ms);
  EXPECT_LT(sum / 10'000, 52ms);

  auto now = begin_;
  for (int i = 0; i < 200; ++i) {
    now += 37ms;
    const std::uint64_t next = [&] {
      std::uint64_t index = 0;
      while (spread.due(index) <= now) ++index;
      return index;
    }();
    spread.change(10 + i % 5 * 10, now);
    ASSERT_LE(spread.due(next - 1), now) << "what was due stays due";
    ASSERT_GE(spread.due(next), now) << "and what was not is due later";
  }
}

TEST_F(LoadScheduleTest, ATimeThatCannotBeToldIsNever) {
  schedule_.change(1e-9, begin_ + 1s);
  EXPECT_EQ(schedule_.due(1'000'000'000'000), LoadSchedule::Clock::time_point::max());
}

}  // namespace
}  // namespace plateau::harness
