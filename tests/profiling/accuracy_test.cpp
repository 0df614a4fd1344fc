// Protects the figures: what is known to be leaked is found, exactly where the profiler is exact, and within what
// sampling theory allows where it samples. The errors are printed with their bars.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "tests/profiling/known_leaks.hpp"

namespace plateau::testing {
namespace {

constexpr double sigmas = 5;  // one failure in two million runs

struct Estimate {
  double truth = 0;
  double variance = 0;
};

// A block of b bytes is in the sample with p = 1 - exp(-b / period) and then counts for 1 / p blocks: the variance of
// one block is (1 - p) / p.
void add(Estimate& bytes, Estimate& objects, const KnownLeak& leak, double period) {
  const double p = -std::expm1(-leak.usable / period);
  bytes.truth += leak.blocks * leak.usable;
  bytes.variance += leak.blocks * leak.usable * leak.usable * (1 - p) / p;
  objects.truth += leak.blocks;
  objects.variance += leak.blocks * (1 - p) / p;
}

void expect_within(const std::string& what, double value, const Estimate& estimate, double rounding) {
  const double bar = std::sqrt(estimate.variance);
  fmt::print("{:36} {:>12.0f} true, {:>12.0f} found, error {:+6.2f} %, one sigma {:5.2f} %\n", what, estimate.truth,
             value, 100 * (value / estimate.truth - 1), 100 * bar / estimate.truth);
  EXPECT_LE(std::abs(value - estimate.truth), sigmas * bar + rounding) << what;
}

TEST(Accuracy, JemallocWithinWhatSamplingAllows) {
  constexpr unsigned lg_period = 15;
  Leaks leaks;
  run_known_leaks(leaks, "jemalloc", lg_period);
  const ReadProfile profile = converted(leaks.after, leaks.folder / "after.pb.gz");
  EXPECT_EQ(profile.period, 1 << lg_period);
  std::map<std::string, std::pair<Estimate, Estimate>> expected;
  for (const KnownLeak& leak : leaks.truth) {
    auto& [bytes, objects] = expected[leak.function];
    add(bytes, objects, leak, 1 << lg_period);
  }
  ASSERT_EQ(expected.size(), 3U);
  for (const auto& [function, estimates] : expected) {
    for (const std::string when : {"inuse", "alloc"}) {
      const std::string what = "jemalloc, " + function + ", " + when;
      expect_within(what + "_space", found(profile, function, when + "_space"), estimates.first, 20'000);
      expect_within(what + "_objects", found(profile, function, when + "_objects"), estimates.second, 2);
    }
  }
  const Estimate freed{.truth = 1'000 * 10'240.0, .variance = 1'000 * 10'240.0 * 10'240.0 * 2.7};
  expect_within("jemalloc, use_and_free, alloc_space", found(profile, "use_and_free", "alloc_space"), freed, 20'000);
  EXPECT_EQ(found(profile, "use_and_free", "inuse_space"), 0);
}

TEST(Accuracy, JemallocWithEveryBlockSampledIsExact) {
  Leaks leaks;
  run_known_leaks(leaks, "jemalloc", 0);
  const ReadProfile profile = converted(leaks.after, leaks.folder / "after.pb.gz");
  std::map<std::string, double> bytes;
  for (const KnownLeak& leak : leaks.truth) bytes[leak.function] += leak.blocks * leak.usable;
  for (const auto& [function, truth] : bytes) EXPECT_EQ(found(profile, function, "inuse_space"), truth) << function;
}

TEST(Accuracy, GperftoolsIsExact) {
  Leaks leaks;
  run_known_leaks(leaks, "tcmalloc");
  const ReadProfile profile = converted(leaks.after, leaks.folder / "after.pb.gz");
  std::map<std::string, std::pair<double, double>> expected;
  for (const KnownLeak& leak : leaks.truth) {
    expected[leak.function].first += leak.blocks * leak.requested;
    expected[leak.function].second += leak.blocks;
  }
  ASSERT_EQ(expected.size(), 3U);
  for (const auto& [function, truth] : expected) {
    EXPECT_EQ(found(profile, function, "inuse_space"), truth.first) << function;
    EXPECT_EQ(found(profile, function, "inuse_objects"), truth.second) << function;
  }
  EXPECT_EQ(found(profile, "use_and_free", "alloc_space"), 1'000 * 10'000);
  EXPECT_EQ(found(profile, "use_and_free", "inuse_space"), 0);
}

}  // namespace
}  // namespace plateau::testing
