<<<<<<< HEAD
// Protects the truth of heap profiles on every allocator: leaks of known sizes from known functions are estimated
// within what sampling theory allows, also where one stack leaks blocks of very different sizes. Prints the errors.
#include <dlfcn.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "allocators/heap.hpp"
#include "profiling/heap_sampler.hpp"

namespace {

using Sizes = std::vector<std::size_t>;

// Keeps what it leaks reachable without a heap block of its own.
struct Leaked {
  Leaked* next;
};
Leaked* leaked = nullptr;

[[gnu::always_inline]] inline void leak(const Sizes& sizes) {
  for (const std::size_t size : sizes) leaked = new (std::malloc(size)) Leaked{leaked};
}

}  // namespace

// Found in the profile by these names (the program exports them).
extern "C" {
[[gnu::noinline]] void leak_small(const Sizes& sizes) {
  leak(sizes);
}
[[gnu::noinline]] void leak_pages(const Sizes& sizes) {
  leak(sizes);
}
[[gnu::noinline]] void leak_large(const Sizes& sizes) {
  leak(sizes);
}
[[gnu::noinline]] void leak_mixed(const Sizes& sizes) {
  leak(sizes);
}
[[gnu::noinline]] void leak_half(const Sizes& sizes) {
  leak(sizes);
}
}

namespace plateau {
namespace {

Profile process_heap_profile() {
  std::optional<Profile> profile = HeapSampler::snapshot();
  if (!profile) throw std::runtime_error(HeapSampler::available().reason);
  return std::move(*profile);
}

struct Leak {
  const char* function;
  void (*run)(const Sizes&);
  Sizes sizes;
};

Sizes repeated(std::size_t count, const Sizes& sizes) {
  Sizes all;
  for (std::size_t i = 0; i < count; ++i) all.insert(all.end(), sizes.begin(), sizes.end());
  return all;
}

Sizes joined(Sizes one, const Sizes& other) {
  one.insert(one.end(), other.begin(), other.end());
  return one;
}

// What is known beforehand of an estimate; see profiling/sampler/poisson.hpp.
struct Expected {
  double value = 0;
  double standard_error = 0;
};

template <class Amount>
Expected expected(const Sizes& sizes, double period, Amount amount) {
  double sum = 0;
  double variance = 0;
  for (const std::size_t size : sizes) {
    const double p = period <= 1 ? 1 : -std::expm1(-static_cast<double>(size) / period);
    const double value = amount(static_cast<double>(size));
    sum += value;
    variance += value * value * (1 - p) / p;
  }
  return {sum, std::sqrt(variance)};
}

// Values of all stacks that go through the function: objects and bytes in use.
std::array<double, 2> in_use_through(const Profile& profile, std::string_view function) {
  std::array<double, 2> sum{};
  for (const Profile::Sample& sample : profile.samples()) {
    for (const std::uint64_t address : profile.stack(sample)) {
      Dl_info info{};
      if (dladdr(reinterpret_cast<void*>(address - 1), &info) == 0 || info.dli_sname == nullptr ||
          info.dli_sname != function)
        continue;
      sum[0] += static_cast<double>(profile.values(sample)[2]);
      sum[1] += static_cast<double>(profile.values(sample)[3]);
      break;
    }
  }
  return sum;
}

TEST(Accuracy, KnownLeaksAreEstimatedWithinTheirErrorBars) {
  ASSERT_EQ(to_string(Heap::process().kind()), std::getenv("EXPECTED_ALLOCATOR"));
  const std::array leaks{
      Leak{"leak_small", leak_small, repeated(400'000, {48})},
      Leak{"leak_pages", leak_pages, repeated(6'000, {4096})},
      Leak{"leak_large", leak_large, repeated(30, {1 << 20})},
      Leak{"leak_mixed", leak_mixed, joined(repeated(40'000, {32}), repeated(400, {3000, 40'000, 200}))},
      Leak{"leak_half", leak_half, repeated(300, {64 * 1024})},
  };
  for (const Leak& one : leaks) one.run(one.sizes);
  const Profile profile = process_heap_profile();
  const auto period = static_cast<double>(profile.period);

  fmt::print("{}, sampled once in {} bytes; error in per cent of the truth, and the standard error that theory gives\n",
             to_string(Heap::process().kind()), profile.period);
  fmt::print("{:<12}{:>14}{:>14}{:>9}{:>9}{:>8}\n", "leak", "truth", "estimate", "error", "+-", "z");
  double squares = 0;
  int estimated = 0;
  for (const Leak& one : leaks) {
    const std::array<Expected, 2> truth{expected(one.sizes, period, [](double) { return 1; }),
                                        expected(one.sizes, period, [](double size) { return size; })};
    const auto estimate = in_use_through(profile, one.function);
    for (std::size_t i = 0; i < truth.size(); ++i) {
      const auto [value, error] = truth[i];
      const double z = error > 0 ? (estimate[i] - value) / error : 0;
      fmt::print("{:<12}{:>14.0f}{:>14.0f}{:>8.2f}%{:>8.2f}%{:>8.2f} {}\n", one.function, value, estimate[i],
                 100 * (estimate[i] - value) / value, 100 * error / value, z, i == 0 ? "objects" : "bytes");
      // Weights are rounded to 1/4096 object, profiles to whole numbers: half a per mille beside the sampling error.
      EXPECT_NEAR(estimate[i], value, 5 * error + 0.0005 * value) << one.function;
      if (error > 0) {
        squares += z * z;
        ++estimated;
      }
    }
  }
  // Errors of single estimates may be large; all of them together may not. With 5 independent leaks, whose two figures
  // go together, the mean square of z exceeds 6 once in 60,000 runs (chi-squared of 5 degrees of freedom).
  EXPECT_LE(squares, 6 * estimated);
}

}  // namespace
}  // namespace plateau
=======
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
>>>>>>> pprof-core
