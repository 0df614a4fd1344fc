// Protects days, dates and months, which every row and every range is told by.
#include "labs/order_statistics/calendar.hpp"

#include <gtest/gtest.h>

#include <string>

namespace plateau::order_statistics {
namespace {

TEST(Calendar, DaysAndDatesAreEachOthers) {
  EXPECT_EQ(date_of(0), "2024-01-01");
  EXPECT_EQ(date_of(59), "2024-02-29");
  EXPECT_EQ(date_of(today), "2025-12-31");
  for (int day = 0; day <= today; ++day) ASSERT_EQ(day_of(date_of(day)), day);
  EXPECT_EQ(moment_of(0, 86'399), "2024-01-01 23:59:59");
  EXPECT_EQ(day_of(moment_of(100, 5)), 100);
}

TEST(Calendar, WhatIsNoDateIsNone) {
  for (const char* const text : {"", "2024", "2024-13-01", "2024-02-30", "2024/01/01", "20x4-01-01", "-024-01-01"})
    EXPECT_FALSE(day_of(text)) << text;
}

TEST(Calendar, MonthsFollowOneAnother) {
  int next = 0;
  for (int month = 0; month < months; ++month) {
    EXPECT_EQ(days_of_month(month).first, next);
    next = days_of_month(month).end;
  }
  EXPECT_EQ(next, today + 1);
  EXPECT_EQ(days_of_month(future_month).first, today + 1);
  EXPECT_TRUE(days_of_month(months - 1).has(today));
}

}  // namespace
}  // namespace plateau::order_statistics
