// Protects what travels to an arm and what is read off its series.
#include <gtest/gtest.h>

#include "labs/harness/arm/arm_json.hpp"

namespace plateau::harness {
namespace {

TEST(ArmSpec, SurvivesTheTripToTheArm) {
  ArmSpec spec;
  spec.name = "before";
  spec.fixes = {"query", "outbox"};
  spec.allocator = "/opt/lib/my.so";
  spec.memory_limit = 3ULL << 32;
  spec.hours = 0.25;
  spec.time = {.operations_per_second = 12.5, .speedup = 800};
  spec.seed = UINT64_MAX;
  spec.profile_dir = "out/a b";
  spec.options = {{"x", 1}};
  const std::string text = boost::json::serialize(to_json(spec));
  const ArmSpec back = arm_spec_from_json(boost::json::parse(text).as_object());
  EXPECT_EQ(boost::json::serialize(to_json(back)), text);
  EXPECT_EQ(back.memory_limit, spec.memory_limit);
  EXPECT_EQ(back.seed, UINT64_MAX);
  EXPECT_TRUE(back.has("query"));
  EXPECT_FALSE(back.has("items"));
}

ArmResult with_series() {
  ArmResult result;
  for (std::uint64_t i = 0; i <= 10; ++i) {
    Sample sample;
    sample.t = static_cast<double>(i) * 10;
    sample.operations = i * 100;
    sample.allocation_calls = i * 1000 + (i > 5 ? 50 : 0);
    sample.allocation_bytes = i * 5000;
    result.series.push_back(sample);
  }
  return result;
}

TEST(ArmResult, LooksUpTheLastSampleBeforeAMoment) {
  const ArmResult result = with_series();
  EXPECT_EQ(result.at(35)->t, 30);
  EXPECT_EQ(result.at(100)->t, 100);
  EXPECT_EQ(result.at(101), nullptr) << "the arm did not live that long";
  EXPECT_EQ(ArmResult().at(0), nullptr);
}

TEST(ArmResult, RatesAreOfTheWindowAsked) {
  const ArmResult result = with_series();
  EXPECT_DOUBLE_EQ(*result.bytes_per_simulated_second(0, 100), 500);
  EXPECT_DOUBLE_EQ(*result.calls_per_operation(0, 50), 10);
  EXPECT_DOUBLE_EQ(*result.calls_per_operation(50, 100), 10.1);
  EXPECT_FALSE(result.calls_per_operation(100, 100));
  EXPECT_FALSE(ArmResult().calls_per_operation(0, 1));
}

}  // namespace
}  // namespace plateau::harness
