// Protects the latencies: right within a bin, never above the maximum, and no allocation on the measured path.
#include "labs/harness/measure/latency_histogram.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "allocators/allocation_counter.hpp"

namespace plateau::harness {
namespace {

TEST(LatencyHistogram, QuantilesAreRightWithinABin) {
  LatencyHistogram histogram;
  for (int us = 1; us <= 10000; ++us) histogram.record(us);
  EXPECT_EQ(histogram.count(), 10000U);
  for (const double q : {0.01, 0.5, 0.9, 0.99, 0.999})
    EXPECT_NEAR(histogram.quantile_us(q), q * 10000, q * 10000 * 0.03);
  EXPECT_EQ(histogram.quantile_us(1), 10000);
  EXPECT_EQ(histogram.max_us(), 10000);
}

TEST(LatencyHistogram, ExtremesStayCountedAndTheMaximumExact) {
  LatencyHistogram histogram;
  histogram.record(0);
  histogram.record(-5);
  histogram.record(1e12);
  EXPECT_EQ(histogram.count(), 3U);
  EXPECT_EQ(histogram.max_us(), 1e12);
  EXPECT_EQ(histogram.quantile_us(1), 1e12);
}

TEST(LatencyHistogram, MergeAddsCountsAndKeepsTheLargerMaximum) {
  LatencyHistogram one;
  LatencyHistogram other;
  one.record(10);
  other.record(1000);
  one.merge(other);
  EXPECT_EQ(one.count(), 2U);
  EXPECT_EQ(one.max_us(), 1000);
}

TEST(LatencyHistogram, RecordingAllocatesNothing) {
  const auto histogram = std::make_unique<LatencyHistogram>();
  const AllocationCounts before = thread_allocation_counts();
  for (int us = 1; us <= 1000; ++us) histogram->record(us);
  EXPECT_EQ(thread_allocation_counts().calls, before.calls);
}

}  // namespace
}  // namespace plateau::harness
