// Protects the arithmetic of sampling: estimates are unbiased whatever the sizes, and err as the theory says.
#include "profiling/sampler/poisson.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace plateau::sampler {
namespace {

struct Estimate {
  double objects = 0;
  double bytes = 0;
};

// What the recorder does on one thread that allocates `sizes` in this order.
Estimate sample(const std::vector<std::size_t>& sizes, std::uint64_t period, std::uint64_t seed) {
  Gaps gaps;
  gaps.seed(seed);
  std::uint64_t countdown = gaps.next(period);
  Estimate sum;
  for (const std::size_t size : sizes) {
    if (size < countdown) {
      countdown -= size + 1;
      continue;
    }
    const Weight weight = weight_of(size, period);
    sum.objects += static_cast<double>(weight.objects) / static_cast<double>(Weight::object_scale);
    sum.bytes += static_cast<double>(weight.bytes);
    countdown = gaps.next(period);
  }
  return sum;
}

// Blocks of 16 bytes to twice the period, interleaved, as one stack may allocate them.
std::vector<std::size_t> mixed_sizes(std::uint64_t period) {
  std::vector<std::size_t> sizes;
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 100; ++i) sizes.push_back(16);
    for (int i = 0; i < 20; ++i) sizes.push_back(700);
    sizes.push_back(period / 3);
    if (round % 4 == 0) sizes.push_back(2 * period);
  }
  return sizes;
}

TEST(Poisson, MixedSizesAreEstimatedWithoutBias) {
  constexpr std::uint64_t period = 32 * 1024;
  const auto sizes = mixed_sizes(period);
  double objects = 0;
  double bytes = 0;
  double objects_variance = 0;
  double bytes_variance = 0;
  for (const std::size_t size : sizes) {
    const double p = -std::expm1(-(static_cast<double>(size) + 1) / static_cast<double>(period));
    objects += 1;
    bytes += static_cast<double>(size);
    objects_variance += (1 - p) / p;
    bytes_variance += static_cast<double>(size) * static_cast<double>(size) * (1 - p) / p;
  }
  constexpr int runs = 2000;
  Estimate mean;
  double squared = 0;
  for (int run = 0; run < runs; ++run) {
    const Estimate one = sample(sizes, period, static_cast<std::uint64_t>(run));
    mean.objects += one.objects / runs;
    mean.bytes += one.bytes / runs;
    squared += (one.bytes - bytes) * (one.bytes - bytes) / runs;
  }
  const double objects_bar = std::sqrt(objects_variance / runs);
  const double bytes_bar = std::sqrt(bytes_variance / runs);
  EXPECT_NEAR(mean.objects, objects, 4 * objects_bar);
  EXPECT_NEAR(mean.bytes, bytes, 4 * bytes_bar);
  EXPECT_NEAR(squared / bytes_variance, 1, 0.2) << "spread of single runs";
  EXPECT_LE(std::sqrt(bytes_variance), standard_error_bytes(bytes, period)) << "the bound that profiles quote";
}

TEST(Poisson, APeriodOfOneRecordsEveryBlockAsItself) {
  const Estimate all = sample({0, 1, 100, 0, 5000}, 1, 7);
  EXPECT_EQ(all.objects, 5);
  EXPECT_EQ(all.bytes, 5101);
}

TEST(Poisson, EmptyBlocksCountToo) {
  const std::vector<std::size_t> sizes(100000, 0);
  const Estimate some = sample(sizes, 64, 3);
  EXPECT_NEAR(some.objects, 100000, 5 * std::sqrt(100000 * 64.0));
  EXPECT_EQ(some.bytes, 0);
}

TEST(Poisson, HugeBlocksStandForThemselves) {
  const Weight weight = weight_of(std::size_t{1} << 40, default_period_bytes);
  EXPECT_EQ(weight.objects, Weight::object_scale);
  EXPECT_EQ(weight.bytes, std::uint64_t{1} << 40);
}

}  // namespace
}  // namespace plateau::sampler
