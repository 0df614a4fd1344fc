// Protects the conclusion: it holds only when something was judged and nothing failed, and different output voids it.
#include "labs/harness/judge/verdict.hpp"

#include <gtest/gtest.h>

namespace plateau::harness {
namespace {

TEST(Verdict, NeedsOneJudgedRowAndNoFailedOne) {
  Verdict verdict;
  EXPECT_FALSE(verdict.holds()) << "nothing was judged";
  verdict.rows.push_back({.metric = "unjudged"});
  EXPECT_FALSE(verdict.holds());
  verdict.rows.push_back({.metric = "good", .holds = true});
  EXPECT_TRUE(verdict.holds());
  verdict.rows.push_back({.metric = "bad", .holds = false});
  EXPECT_FALSE(verdict.holds());
}

TEST(VerdictRow, ImprovementIsTheChangeInPercent) {
  EXPECT_DOUBLE_EQ(*(VerdictRow{.before = 5.0, .after = 0.5}.improvement()), -90);
  EXPECT_FALSE((VerdictRow{.before = 0.0, .after = 1.0}.improvement()));
  EXPECT_FALSE((VerdictRow{.after = 1.0}.improvement()));
}

ArmResult arm(std::vector<std::vector<std::uint64_t>> digests) {
  ArmResult result;
  result.digests = std::move(digests);
  return result;
}

TEST(VerdictRow, BeforeIsHeldToAFigureWithinTheTolerance) {
  VerdictRow row{.before = 119.0};
  row.hold_before_within_tolerance(100);
  EXPECT_EQ(row.target, 100);
  EXPECT_EQ(row.holds, true);
  row.before = 79.0;
  row.hold_before_within_tolerance(100);
  EXPECT_EQ(row.holds, false);
  VerdictRow unknown;
  unknown.hold_before_within_tolerance(100);
  EXPECT_EQ(unknown.holds, std::nullopt);
}

TEST(VerdictRow, AfterIsHeldToATargetUnlessThereIsAReasonNotTo) {
  VerdictRow row{.after = 2.0};
  row.hold_after_at_most(2);
  EXPECT_EQ(row.holds, true);
  row.hold_after_at_most(1.9);
  EXPECT_EQ(row.holds, false);
  VerdictRow short_run{.after = 9.0, .note = "of an hour"};
  short_run.hold_after_at_most(2, "too short");
  EXPECT_EQ(short_run.holds, std::nullopt);
  EXPECT_EQ(short_run.note, "of an hour; too short");
}

TEST(CompareOutput, IsOverTheBatchesThatBothFinished) {
  const OutputComparison same = compare_output(arm({{1, 2, 3}, {4}}), arm({{1, 2}, {4, 5}}));
  EXPECT_TRUE(same.same);
  EXPECT_EQ(same.batches, 3U);
}

TEST(CompareOutput, OneDifferentBatchIsDifferent) {
  EXPECT_FALSE(compare_output(arm({{1, 2}}), arm({{1, 9}})).same);
  EXPECT_FALSE(compare_output(arm({{1}, {2}}), arm({{2}, {1}})).same) << "lanes are not interchangeable";
}

TEST(CompareOutput, NothingInCommonIsNoProof) {
  EXPECT_FALSE(compare_output(arm({{}}), arm({{1}})).same);
}

TEST(CommonChecksum, IsEqualForEqualPrefixesOnly) {
  const std::deque<ArmResult> equal{arm({{1, 2, 3}}), arm({{1, 2}})};
  EXPECT_EQ(common_checksum(equal[0], equal), common_checksum(equal[1], equal));
  const std::deque<ArmResult> swapped{arm({{1, 2}}), arm({{2, 1}})};
  EXPECT_NE(common_checksum(swapped[0], swapped), common_checksum(swapped[1], swapped));
}

TEST(Prediction, ErrorIsPrintedOnlyOnceMeasured) {
  const Prediction open{"before", "end", "h", 6, std::nullopt};
  EXPECT_EQ(format_predictions({open}).find("error"), std::string::npos);
  const Prediction done{"before", "end", "h", 6, 5.0};
  EXPECT_NE(format_predictions({done}).find("error +20.0 %"), std::string::npos);
}

}  // namespace
}  // namespace plateau::harness
