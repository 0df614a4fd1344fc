// Protects: how long blocks lived, who freed them and how soon is what really happened, for every block when all are
// recorded, and within what sampling allows when few are.
#include "profiling/block_profiles.hpp"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "profiling/heap_sampler.hpp"

extern "C" {

// Found in profiles by these names (the program exports them).
[[gnu::noinline]] void* kept_for_a_moment(std::size_t bytes) {
  void* const block = std::malloc(bytes);
  asm volatile("" ::: "memory");
  return block;
}
[[gnu::noinline]] void* kept_for_long(std::size_t bytes) {
  void* const block = std::malloc(bytes);
  asm volatile("" ::: "memory");
  return block;
}
[[gnu::noinline]] void* made_for_others(std::size_t bytes) {
  void* const block = std::malloc(bytes);
  asm volatile("" ::: "memory");
  return block;
}
[[gnu::noinline]] void* made_for_a_while(std::size_t bytes) {
  void* const block = std::malloc(bytes);
  asm volatile("" ::: "memory");
  return block;
}

}  // extern "C"

namespace plateau {
namespace {

using Clock = std::chrono::steady_clock;
using Values = std::array<std::int64_t, 3>;

bool is_through(const Profile& profile, const Profile::Sample& sample, std::string_view function) {
  for (const std::uint64_t address : profile.stack(sample)) {
    Dl_info info{};
    if (dladdr(reinterpret_cast<void*>(address - 1), &info) != 0 && info.dli_sname != nullptr &&
        info.dli_sname == function) {
      return true;
    }
  }
  return false;
}

// Sums of what goes through the function, by the texts of their labels.
std::map<std::string, Values> by_labels(const Profile& profile, std::string_view function) {
  std::map<std::string, Values> sums;
  for (const Profile::Sample& sample : profile.samples()) {
    if (!is_through(profile, sample, function)) continue;
    std::string labels;
    for (const ProfileLabel& label : profile.labels(sample)) labels += label.key + '=' + label.text + ' ';
    Values& sum = sums[labels];
    const auto values = profile.values(sample);
    for (std::size_t i = 0; i < values.size(); ++i) sum[i] += values[i];
  }
  return sums;
}

Values total(const std::map<std::string, Values>& sums, const std::string& label) {
  Values total{};
  for (const auto& [labels, values] : sums) {
    if (labels.find(label) == std::string::npos) continue;
    for (std::size_t i = 0; i < total.size(); ++i) total[i] += values[i];
  }
  return total;
}

class BlockProfiles : public ::testing::Test {
 protected:
  static void record_from_now_on(std::uint64_t period) {
    ASSERT_TRUE(HeapSampler::start(period).done) << HeapSampler::available().reason;
    void* volatile block = std::malloc(std::size_t{64} << 20);  // ends the countdown of the period before
    std::free(block);
  }
  void TearDown() override { HeapSampler::stop(); }
};

TEST_F(BlockProfiles, LifetimesAreThoseThatAClockMeasured) {
  record_from_now_on(1);
  constexpr std::size_t count = 200;
  std::array<void*, count> blocks{};
  const auto begin = Clock::now();
  for (void*& block : blocks) block = kept_for_long(500);
  const auto filled = Clock::now();
  while (Clock::now() < filled + std::chrono::milliseconds(12)) std::free(kept_for_a_moment(64));
  const auto first_free = Clock::now();
  for (void* const block : blocks) std::free(block);
  const auto end = Clock::now();

  const auto sums = by_labels(lifetimes_profile(), "kept_for_long");
  const Values freed = total(sums, "state=freed");
  EXPECT_EQ(freed[0], static_cast<std::int64_t>(count));
  EXPECT_EQ(freed[1], static_cast<std::int64_t>(count * 500));
  constexpr std::int64_t rounding_ns = 1000;  // sums are kept in microseconds
  const auto ns = [](auto duration) { return std::chrono::nanoseconds(duration).count(); };
  EXPECT_GE(freed[2], static_cast<std::int64_t>(count) * (ns(first_free - filled) - rounding_ns));
  EXPECT_LE(freed[2], static_cast<std::int64_t>(count) * ns(end - begin));
  EXPECT_EQ(total(sums, "lifetime=under 10 ms")[0] + total(sums, "lifetime=under 1 ms")[0], 0);
  EXPECT_EQ(total(sums, "state=alive")[0], 0);

  const auto moments = by_labels(lifetimes_profile(), "kept_for_a_moment");
  const Values all = total(moments, "");
  EXPECT_GT(all[0], 100);
  EXPECT_GT(total(moments, "lifetime=under 10 us")[0], all[0] / 2) << "each was freed at once";
}

TEST_F(BlockProfiles, WhatLivesIsMarkedAndGrowsOlder) {
  record_from_now_on(1);
  const auto before = Clock::now();
  void* const block = kept_for_long(700);
  const auto after = Clock::now();
  const auto alive = [] { return total(by_labels(lifetimes_profile(), "kept_for_long"), "state=alive"); };
  const Values young = alive();
  EXPECT_EQ(young[0], 1);
  EXPECT_EQ(young[1], 700);
  EXPECT_LE(young[2], std::chrono::nanoseconds(Clock::now() - before).count());
  const auto known = Clock::now();
  EXPECT_GE(alive()[2], std::chrono::nanoseconds(known - after).count());
  std::free(block);
  EXPECT_EQ(alive()[0], 0);
}

TEST_F(BlockProfiles, CrossFreesAreThoseOfAnotherThread) {
  record_from_now_on(1);
  constexpr std::size_t count = 100;
  constexpr std::size_t by_the_other = 60;
  std::array<void*, count> blocks{};
  const auto before = total(by_labels(crossfree_profile(), "made_for_others"), "");
  for (void*& block : blocks) block = made_for_others(1000);
  std::thread([&] {
    for (std::size_t i = 0; i < by_the_other; ++i) std::free(blocks[i]);
  }).join();
  for (std::size_t i = by_the_other; i < count; ++i) std::free(blocks[i]);

  const auto sums = by_labels(crossfree_profile(), "made_for_others");
  const Values now = total(sums, "");
  EXPECT_EQ(now[0] - before[0], static_cast<std::int64_t>(by_the_other));
  EXPECT_EQ(now[1] - before[1], static_cast<std::int64_t>(by_the_other * 1000));
  const std::string self = std::to_string(::gettid()) + ' ';
  for (const auto& [labels, values] : sums) {
    const std::size_t middle = labels.find(" to=") + 1;
    EXPECT_THAT(labels.substr(0, middle), ::testing::EndsWith(' ' + self)) << "this thread allocated";
    EXPECT_THAT(labels.substr(middle), ::testing::Not(::testing::EndsWith(' ' + self))) << "and another one freed";
  }
}

TEST_F(BlockProfiles, ASampleTellsTheShareThatCrosses) {
  constexpr std::size_t bytes = 400;
  constexpr std::size_t rounds = 400;
  constexpr std::size_t blocks_a_round = 500;
  constexpr std::uint64_t period = 16384;
  record_from_now_on(period);
  const auto before = total(by_labels(crossfree_profile(), "made_for_others"), "")[1];
  std::vector<void*> blocks(blocks_a_round);
  for (std::size_t round = 0; round < rounds; ++round) {
    for (void*& block : blocks) block = made_for_others(bytes);
    const auto free_all = [&] {
      for (void* const block : blocks) std::free(block);
    };
    if (round % 4 == 0) {
      std::thread(free_all).join();
    } else {
      free_all();
    }
  }
  const auto crossed = static_cast<double>(total(by_labels(crossfree_profile(), "made_for_others"), "")[1] - before);
  const double truth = static_cast<double>(bytes) * rounds * blocks_a_round / 4;
  const double one_sigma = std::sqrt(static_cast<double>(period) * truth);
  EXPECT_NEAR(crossed, truth, 5 * one_sigma);
}

// Frees a block after this thread has made so many further allocations.
void free_after(std::size_t further_allocations, std::size_t bytes = 300) {
  void* const block = made_for_a_while(bytes);
  for (std::size_t i = 0; i < further_allocations; ++i) {
    void* volatile other = std::malloc(40);
    std::free(other);
  }
  std::free(block);
}

TEST_F(BlockProfiles, TemporariesAreCountedByTheAllocationsThatTheirThreadMadeMeanwhile) {
  record_from_now_on(1);
  const auto counts = [] {
    std::map<std::string, std::int64_t> objects;
    for (const auto& [labels, values] : by_labels(temporaries_profile(), "made_for_a_while"))
      objects[labels] = values[0];
    return objects;
  };
  auto expected = counts();
  for (const std::size_t further : {0, 1, 9, 10, 99, 100, 999, 1000, 5000}) free_after(further);
  expected["within=1 allocation "] += 1;
  expected["within=10 allocations "] += 2;
  expected["within=100 allocations "] += 2;
  expected["within=1000 allocations "] += 2;
  EXPECT_EQ(counts(), expected) << "and what lives longer is none";
}

TEST_F(BlockProfiles, WhatAnotherThreadFreesIsNoTemporaryAndItsAllocationsDoNotCount) {
  record_from_now_on(1);
  const auto sum = [] { return total(by_labels(temporaries_profile(), "made_for_a_while"), ""); };
  const auto before = sum();
  void* const for_another = made_for_a_while(300);
  std::thread([for_another] { std::free(for_another); }).join();
  EXPECT_EQ(sum()[0], before[0]);

  void* const own = made_for_a_while(300);
  std::thread([] {
    for (int i = 0; i < 2000; ++i) {
      void* volatile other = std::malloc(40);
      std::free(other);
    }
  }).join();
  std::free(own);
  EXPECT_EQ(sum()[0] - before[0], 1) << "only what this thread allocates is counted";
}

// Every fourth block lives on beside 2000 allocations, the rest are freed at once.
TEST_F(BlockProfiles, ASampleTellsTheShareOfTemporaries) {
  constexpr std::size_t bytes = 400;
  constexpr std::size_t batches = 400;
  constexpr std::size_t blocks_a_batch = 500;
  constexpr std::uint64_t period = 16384;
  record_from_now_on(period);
  const auto sum = [] { return total(by_labels(temporaries_profile(), "made_for_a_while"), "")[1]; };
  const auto before = sum();
  std::vector<void*> blocks(blocks_a_batch);
  for (std::size_t batch = 0; batch < batches; ++batch) {
    const bool are_kept = batch % 4 == 0;
    for (void*& block : blocks) {
      block = made_for_a_while(bytes);
      if (!are_kept) std::free(block);
    }
    if (!are_kept) continue;
    for (int i = 0; i < 2000; ++i) {
      void* volatile other = std::malloc(1);
      std::free(other);
    }
    for (void* const block : blocks) std::free(block);
  }
  const double truth = static_cast<double>(bytes) * batches * blocks_a_batch * 3 / 4;
  const double one_sigma = std::sqrt(static_cast<double>(period) * truth);
  EXPECT_NEAR(static_cast<double>(sum() - before), truth, 5 * one_sigma);
}

TEST_F(BlockProfiles, AThreadThatHasEndedKeepsTheNameThatWasNoted) {
  record_from_now_on(1);
  std::string number;
  std::vector<void*> blocks(50);
  std::thread([&] {
    ::pthread_setname_np(::pthread_self(), "short-lived");
    number = std::to_string(::gettid());
    for (void*& block : blocks) block = made_for_others(800);
    remember_thread_names();
  }).join();
  for (void* const block : blocks) std::free(block);
  const auto sums = by_labels(crossfree_profile(), "made_for_others");
  EXPECT_GE(total(sums, "from=short-lived " + number)[0], static_cast<std::int64_t>(blocks.size()));
}

}  // namespace
}  // namespace plateau
