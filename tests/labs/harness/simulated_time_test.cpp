// Protects compressed time: load and wall-clock knobs shrink by one and the same factor.
#include "labs/harness/arm/simulated_time.hpp"

#include <gtest/gtest.h>

namespace plateau::harness {
namespace {

using namespace std::chrono_literals;

TEST(TimeScale, OperationsAreDueFasterByTheSpeedup) {
  const TimeScale real{.operations_per_second = 10, .speedup = 1};
  const TimeScale compressed{.operations_per_second = 10, .speedup = 100};
  EXPECT_EQ(real.due(10), 1s);
  EXPECT_EQ(compressed.due(10), 10ms);
  EXPECT_EQ(real.seconds_of(36000), compressed.seconds_of(36000));
  EXPECT_EQ(compressed.operations_in(3600), 36000U);
}

TEST(TimeScale, KnobsShrinkByTheSameFactor) {
  const TimeScale compressed{.operations_per_second = 10, .speedup = 100};
  EXPECT_EQ(compressed.compressed(10'000ms), 100ms);
  EXPECT_EQ((TimeScale{.operations_per_second = 10, .speedup = 1}.compressed(10'000ms)), 10'000ms);
}

TEST(TimeScale, AKnobIsNeverRoundedToZeroAndSpecialValuesStay) {
  const TimeScale compressed{.operations_per_second = 10, .speedup = 100'000};
  EXPECT_EQ(compressed.compressed(100ms), 1ms);
  EXPECT_EQ(compressed.compressed(0ms), 0ms);
  EXPECT_EQ(compressed.compressed(-1ms), -1ms);
}

}  // namespace
}  // namespace plateau::harness
