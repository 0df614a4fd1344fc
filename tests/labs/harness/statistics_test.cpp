#include "labs/harness/measure/statistics.hpp"

#include <gtest/gtest.h>

namespace plateau::harness {
namespace {

TEST(Slope, OfALineIsExactWhereverItStarts) {
  std::vector<Point> points;
  for (int i = 0; i < 100; ++i) points.push_back({1e6 + i, 5 - 0.25 * i});
  EXPECT_NEAR(*slope(points), -0.25, 1e-9);
}

TEST(Slope, NeedsTwoDifferentMoments) {
  EXPECT_FALSE(slope({}));
  const std::vector<Point> same{{1, 1}, {1, 2}};
  EXPECT_FALSE(slope(same));
}

TEST(Median, OfOddEvenAndNone) {
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
  EXPECT_FALSE(median({}));
}

}  // namespace
}  // namespace plateau::harness
