// Protects the ablation: which arms are run, and that the waterfall's steps sum to RSS.
#include "labs/harness/ablation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/labs/harness/lab_of_tests.hpp"

namespace plateau::harness {
namespace {

using testing::ElementsAre;

TEST(Ablation, RunsNoneEachAloneAllButEachAllAndTheWrongOnes) {
  std::vector<std::string> names;
  std::vector<std::vector<std::string>> fixes;
  for (const ArmSpec& arm : ablation_arms(lab(), {})) {
    names.push_back(arm.name);
    fixes.push_back(arm.fixes);
  }
  EXPECT_THAT(names, ElementsAre("none", "only-a", "only-b", "only-c", "all-but-a", "all-but-b", "all-but-c", "all",
                                 "wrong-wrong"));
  EXPECT_THAT(fixes[4], ElementsAre("b", "c"));
  EXPECT_THAT(fixes[8], ElementsAre("wrong"));
}

Sample sample(double t, std::uint64_t dirty) {
  Sample s;
  s.t = t;
  s.operations = static_cast<std::uint64_t>(t);
  s.requested = 100'000'000;
  s.allocated = 120'000'000;
  s.active = 160'000'000;
  s.slab_bytes = 50'000'000;
  s.slab_region_bytes = 20'000'000;
  s.resident = *s.active + dirty;
  s.rss = *s.resident + 5'000'000;
  return s;
}

TEST(Ablation, StepsOfTheWaterfallSumToRss) {
  const Sample s = sample(1, 40'000'000);
  const WaterfallGaps gaps = waterfall_of(s);
  EXPECT_DOUBLE_EQ(*gaps.slabs, 30e6);
  EXPECT_DOUBLE_EQ(*gaps.padding, 10e6);
  EXPECT_DOUBLE_EQ(*gaps.live + *gaps.rounding + *gaps.slabs + *gaps.padding + *gaps.dirty_and_metadata + *gaps.rest,
                   static_cast<double>(s.rss));
}

TEST(Ablation, WhatAnAllocatorDoesNotTellIsEmpty) {
  const WaterfallGaps gaps = waterfall_of({});
  EXPECT_FALSE(gaps.live || gaps.rounding || gaps.slabs || gaps.padding || gaps.dirty_and_metadata || gaps.rest);
  Sample glibc;
  glibc.requested = 100;
  glibc.allocated = 120;
  glibc.rss = 200;
  EXPECT_DOUBLE_EQ(*waterfall_of(glibc).rest, 80) << "the rest begins where the allocator stops telling";
  EXPECT_FALSE(waterfall_of(glibc).slabs);
}

TEST(Ablation, NamesTheStepThatAFixClosed) {
  std::deque<ArmResult> arms(2);
  arms[0].spec.name = "none";
  arms[1].spec.name = "only-a";
  for (const double t : {0.0, 1000.0, 2000.0}) {
    arms[0].series.push_back(sample(t, 40'000'000));
    arms[1].series.push_back(sample(t, 1'000'000));
  }
  const Ablation ablation = summarise_ablation(lab(), 6, arms);
  EXPECT_EQ(ablation.rows[1].closes, "dirty pages");
  EXPECT_DOUBLE_EQ(*ablation.rows[1].closes_bytes, 39e6);
  EXPECT_TRUE(ablation.rows[0].closes.empty());
}

}  // namespace
}  // namespace plateau::harness
