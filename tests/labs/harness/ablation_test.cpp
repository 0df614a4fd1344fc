// Protects the ablation: which arms are run, what of the waterfall each fix is said to close, and how it is printed.
#include "labs/harness/judge/ablation.hpp"

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
  s.heap.requested = 100'000'000;
  s.heap.allocated = 120'000'000;
  s.heap.active = 160'000'000;
  s.heap.slab_bytes = 50'000'000;
  s.heap.slab_region_bytes = 20'000'000;
  s.heap.resident = *s.heap.active + dirty;
  s.heap.dirty = dirty;
  s.rss = *s.heap.resident + 5'000'000;
  s.file = 3'000'000;
  return s;
}

TEST(Ablation, PartsOfASampleSumToRss) {
  const Sample s = sample(1, 40'000'000);
  const auto parts = waterfall_of(s);
  EXPECT_EQ(bytes_of(parts, "slabs"), 30'000'000);
  EXPECT_EQ(bytes_of(parts, "padding"), 10'000'000);
  EXPECT_EQ(bytes_of(parts, "file"), 3'000'000);
  EXPECT_EQ(bytes_of(parts, "rest"), 2'000'000);
  std::int64_t sum = 0;
  for (const MeasuredPart& part : parts) sum += part.bytes;
  EXPECT_EQ(sum, static_cast<std::int64_t>(s.rss));
}

std::deque<ArmResult> none_and_only_a() {
  std::deque<ArmResult> arms(2);
  arms[0].spec.name = "none";
  arms[1].spec.name = "only-a";
  for (const double t : {0.0, 1000.0, 2000.0}) {
    arms[0].series.push_back(sample(t, 40'000'000));
    arms[1].series.push_back(sample(t, 1'000'000));
  }
  return arms;
}

TEST(Ablation, NamesThePartThatAFixClosed) {
  const Ablation ablation = summarise_ablation(lab(), 6, none_and_only_a());
  ASSERT_TRUE(ablation.rows[1].closes);
  EXPECT_EQ(ablation.rows[1].closes->part, &waterfall_part("dirty"));
  EXPECT_DOUBLE_EQ(ablation.rows[1].closes->bytes, 39e6);
  EXPECT_FALSE(ablation.rows[0].closes);
  EXPECT_FALSE(ablation.rows[1].takes_from) << "no pauses were measured";
}

TEST(Ablation, NoFixIsGivenTheResidual) {
  std::deque<ArmResult> arms = none_and_only_a();
  arms[1].series = arms[0].series;
  for (Sample& one : arms[0].series) one.rss += 50'000'000;
  EXPECT_FALSE(summarise_ablation(lab(), 6, arms).rows[1].closes);
}

TEST(Ablation, TheTableHasAColumnForEachPartThatWasMeasuredAndTheLabsOwnWord) {
  const std::string text = format_table(summarise_ablation(lab(), 6, none_and_only_a()));
  const std::string head = text.substr(text.find("arm "), text.find('\n', text.find("arm ")) - text.find("arm "));
  for (const char* const id : {"requested", "rounding", "slabs", "padding", "dirty", "metadata", "file", "rest"}) {
    EXPECT_THAT(head, testing::HasSubstr(id));
  }
  for (const char* const id : {"free", "lazyfree", "stacks"}) EXPECT_THAT(head, testing::Not(testing::HasSubstr(id)));
  EXPECT_THAT(head, testing::HasSubstr("us/" + std::string(lab().operation)));
  EXPECT_THAT(text, testing::HasSubstr("dirty pages (39 MB)"));
}

TEST(Ablation, BatchesAreComparedAtTheirPeaksAndBySpeed) {
  std::deque<ArmResult> arms = none_and_only_a();
  for (ArmResult& arm : arms) {
    arm.spec.batch = 100;
    arm.operations = 100;
    arm.wall_seconds = 2000;
  }
  arms[1].wall_seconds = 1;
  arms[1].series.resize(1);  // it was over before the other's second sample
  const Ablation ablation = summarise_ablation(lab(), 6, arms);
  EXPECT_DOUBLE_EQ(*ablation.rows[1].operations_per_second, 100);
  ASSERT_TRUE(ablation.rows[1].closes);
  EXPECT_EQ(ablation.rows[1].closes->part, &waterfall_part("dirty"));
  EXPECT_THAT(format_table(ablation), testing::HasSubstr("orders/s"));
}

}  // namespace
}  // namespace plateau::harness
