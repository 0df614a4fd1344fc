// Protects the black box's evidence: profiles come closer together towards the limit, and never without end.
#include "profiling/host/limit_approach.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace plateau {
namespace {

// The uses at which one was due, of a use that grows by `step`.
std::vector<std::uint64_t> due_at(LimitApproach approach, std::uint64_t to, std::uint64_t step) {
  std::vector<std::uint64_t> due;
  for (std::uint64_t used = 0; used <= to; used += step) {
    if (approach.due(used)) due.push_back(used);
  }
  return due;
}

TEST(LimitApproach, ProfilesComeCloserTogetherTowardsTheLimit) {
  EXPECT_THAT(due_at(LimitApproach(1000, 0.7, 0.5), 1000, 1),
              ::testing::ElementsAre(700, 850, 925, 963, 982, 991, 996, 998, 999, 1000));
}

TEST(LimitApproach, BeyondTheLimitTheyComeEachTimeTheUseHasGrownByAQuarter) {
  EXPECT_THAT(due_at(LimitApproach(1000, 0.7, 0.01), 2500, 1),
              ::testing::ElementsAre(700, 997, 1000, 1250, 1562, 1952, 2440));
}

TEST(LimitApproach, AUseThatStaysIsToldOfOnce) {
  for (const std::uint64_t limit : {0U, 1U, 2U, 1000U}) {
    for (const std::uint64_t used : {limit, limit + 1, 2 * limit, limit - limit / 10}) {
      LimitApproach approach(limit, 0.7, 0.75);
      EXPECT_TRUE(approach.due(used)) << used << " of " << limit;
      EXPECT_FALSE(approach.due(used)) << used << " of " << limit;
      EXPECT_GT(approach.next_bytes(), used);
    }
  }
}

TEST(LimitApproach, AUseThatFallsAndComesBackIsNotToldOfAgain) {
  LimitApproach approach(1000, 0.7, 0.75);
  EXPECT_TRUE(approach.due(900));
  EXPECT_FALSE(approach.due(100));
  EXPECT_FALSE(approach.due(900));
  EXPECT_TRUE(approach.due(930));
}

}  // namespace
}  // namespace plateau
