// The plan is the evidence for each index: what is asserted is what SQLite says it will do, never how long it takes.
#include "labs/order_statistics/statements.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace plateau::order_statistics {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Plan, BeforeScansEveryOrderAndSortsThem) {
  EXPECT_THAT(plan_of({}, false),
              AllOf(HasSubstr("SCAN orders"), HasSubstr("USE TEMP B-TREE FOR GROUP BY"), Not(HasSubstr("INDEX"))));
}

TEST(Plan, AnIndexIsSearchedAndTheTableIsLookedUp) {
  EXPECT_THAT(plan_of({.index = true, .range = true}, false),
              AllOf(HasSubstr("SEARCH orders USING INDEX orders_by_time"), Not(HasSubstr("COVERING"))));
}

TEST(Plan, ACoveringIndexIsAllThatIsRead) {
  EXPECT_THAT(plan_of({.covering_index = true, .range = true}, false),
              HasSubstr("SEARCH orders USING COVERING INDEX orders_covering (created_at>? AND created_at<?)"));
  EXPECT_THAT(plan_of({.index = true, .partial_index = true, .covering_index = true, .range = true}, false),
              HasSubstr("COVERING INDEX orders_covering"))
      << "beside the others";
}

TEST(Plan, APartialIndexServesTheQuestionThatSaysItsPredicateAndNoOther) {
  const Fixes all{.index = true, .partial_index = true, .covering_index = true, .range = true};
  EXPECT_THAT(plan_of(all, true), HasSubstr("USING INDEX orders_active"));
  EXPECT_THAT(plan_of({.partial_index = true, .range = true}, false), HasSubstr("SCAN orders"));
}

TEST(Plan, ARangeWithoutAnIndexStillScans) {
  EXPECT_THAT(plan_of({.range = true}, false), HasSubstr("SCAN orders"));
}

TEST(Plan, TheRollUpDoesNotTouchTheOrders) {
  for (const bool active_only : {false, true}) {
    EXPECT_THAT(plan_of({.range = true, .incremental = true}, active_only),
                AllOf(HasSubstr("SEARCH daily"), Not(HasSubstr("orders"))));
  }
}

TEST(Statements, EveryIndexIsEitherWantedOrTakenAway) {
  const Fixes one{.covering_index = true};
  EXPECT_EQ(wanted_indexes(one).size() + unwanted_indexes(one).size(), 3U);
  EXPECT_THAT(unwanted_indexes(one), ::testing::ElementsAre("orders_by_time", "orders_active"));
  EXPECT_THAT(wanted_indexes({}), ::testing::IsEmpty());
}

// The source's text has its date in it. No value of a client's ever gets there, or anywhere else.
TEST(Statements, OnlyTheTextOfBeforeHasAValueInItAndItIsAConstant) {
  EXPECT_EQ(select_days({}, false),
            "SELECT DATE(created_at), COUNT(*), SUM(total_amount) FROM orders WHERE created_at >= '2024-01-01' "
            "GROUP BY DATE(created_at) ORDER BY 1 DESC");
  EXPECT_THAT(select_days({.range = true}, false), Not(HasSubstr("'")));
}

}  // namespace
}  // namespace plateau::order_statistics
