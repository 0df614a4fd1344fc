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
