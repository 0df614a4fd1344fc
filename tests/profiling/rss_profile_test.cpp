// Protects the profile of RSS: its total is RSS whatever the allocator tells, nothing in it is negative, and the gap
// that was made is in it by name.
#include "profiling/rss_profile.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "profiling/heap_profile.hpp"

namespace plateau {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

std::int64_t total(const Profile& profile) {
  std::int64_t sum = 0;
  for (const Profile::Sample& sample : profile.samples()) {
    EXPECT_GT(profile.values(sample)[0], 0);
    sum += profile.values(sample)[0];
  }
  return sum;
}

// By the name of the leaf, or "code".
std::map<std::string, std::int64_t> by_leaf(const Profile& profile) {
  std::map<std::string, std::int64_t> sums;
  for (const Profile::Sample& sample : profile.samples()) {
    const auto name = profile.frame_name(profile.stack(sample).front());
    sums[std::string(name.value_or("code"))] += profile.values(sample)[0];
  }
  return sums;
}

Profile heap_of(const std::vector<std::int64_t>& in_use) {
  Profile heap = heap_profile(524288);
  for (std::size_t i = 0; i < in_use.size(); ++i) {
    const std::vector<std::uint64_t> stack{0x1000 + i, 0x2000};
    heap.add(stack, std::vector<std::int64_t>{9, 999, 1, in_use[i]});
  }
  return heap;
}

Footprint footprint_of(const WaterfallInput& input) {
  Footprint footprint;
  footprint.rss_bytes = input.rss_bytes;
  footprint.heap = input.heap;
  footprint.parts = measure_waterfall(input);
  return footprint;
}

WaterfallInput jemalloc_like() {
  WaterfallInput input;
  input.heap.allocated = 1000;
  input.heap.active = 1500;
  input.heap.resident = 2500;
  input.heap.dirty = 700;
  input.rss_bytes = 3500;
  input.file_bytes = 400;
  input.lazily_freed_bytes = 50;
  return input;
}

TEST(RssProfile, StacksAndNamedPartsAddUpToRss) {
  const Profile profile = rss_profile(heap_of({300, 500}), footprint_of(jemalloc_like()));
  EXPECT_EQ(total(profile), 3500);
  const auto sums = by_leaf(profile);
  EXPECT_EQ(sums.at("code"), 800);
  EXPECT_EQ(sums.at("live blocks without a stack"), 200);
  EXPECT_EQ(sums.at("slab slack"), 500);
  EXPECT_EQ(sums.at("dirty pages"), 700);
  EXPECT_EQ(sums.at("file-backed"), 400);
}

TEST(RssProfile, StacksThatAddUpToMoreThanIsLiveAreScaledDown) {
  const Profile profile = rss_profile(heap_of({701, 802, 3}), footprint_of(jemalloc_like()));
  EXPECT_EQ(total(profile), 3500);
  EXPECT_EQ(by_leaf(profile).at("code"), 1000);
  EXPECT_EQ(by_leaf(profile).count("live blocks without a stack"), 0u);
  EXPECT_THAT(profile.comments, Contains(HasSubstr("scaled from 1506 bytes to 1000")));
}

TEST(RssProfile, PagesThatWereNeverTouchedMakeTheAllocatorsPartsSmaller) {
  WaterfallInput input = jemalloc_like();
  input.rss_bytes = 1800;  // the parts are 2950
  const Profile profile = rss_profile(heap_of({1000}), footprint_of(input));
  EXPECT_EQ(total(profile), 1800);
  const auto sums = by_leaf(profile);
  EXPECT_EQ(sums.at("file-backed"), 400) << "the kernel's figures stand";
  EXPECT_EQ(sums.at("lazily freed"), 50);
  EXPECT_EQ(sums.at("code"), 1000) << "live blocks are the last to go";
  EXPECT_THAT(profile.comments, Contains(HasSubstr("1150 bytes more than are resident")));
}

TEST(RssProfile, LiveBlocksThatWereNeverTouchedAreScaledToo) {
  WaterfallInput input = jemalloc_like();
  input.rss_bytes = 900;
  const Profile profile = rss_profile(heap_of({600, 400}), footprint_of(input));
  EXPECT_EQ(total(profile), 900);
  EXPECT_EQ(by_leaf(profile).at("code"), 450);
}

TEST(RssProfile, AnAllocatorThatTellsNothingLeavesStacksAndTheResidual) {
  WaterfallInput input;
  input.rss_bytes = 5000;
  input.file_bytes = 1000;
  const auto sums = by_leaf(rss_profile(heap_of({1500}), footprint_of(input)));
  EXPECT_EQ(sums.at("code"), 1500);
  EXPECT_EQ(sums.at("untracked (residual)"), 2500);
}

TEST(RssProfile, WithoutAHeapProfileLiveBlocksAreOneStack) {
  const Profile profile = rss_profile(std::nullopt, footprint_of(jemalloc_like()));
  EXPECT_EQ(total(profile), 3500);
  EXPECT_EQ(by_leaf(profile).at("live blocks"), 1000);
}

TEST(RssProfile, MappingsAndThreadStacksHaveTheStacksThatMadeThem) {
  const std::vector<std::uintptr_t> one{0x5000, 0x6000};
  const std::vector<std::uintptr_t> other{0x7000};
  const std::vector<ProgramMapping> mappings{{100, one, false}, {200, one, false}, {50, other, true}};
  WaterfallInput input = jemalloc_like();
  input.mappings = mappings;
  Footprint footprint = footprint_of(input);
  footprint.mappings = mappings;
  const Profile profile = rss_profile(heap_of({800}), footprint);
  EXPECT_EQ(total(profile), 3500);
  EXPECT_EQ(by_leaf(profile).at("mapped by the program"), 300);
  EXPECT_EQ(by_leaf(profile).at("thread stacks"), 50);
  EXPECT_EQ(by_leaf(profile).at("untracked (residual)"), 3500 - 2500 - 400 - 50 - 350);
  std::size_t below = 0;
  for (const Profile::Sample& sample : profile.samples()) {
    const auto stack = profile.stack(sample);
    if (profile.frame_name(stack[0]) != "mapped by the program") continue;
    EXPECT_EQ(stack.size(), 3u);
    EXPECT_EQ(stack[1], 0x5000u);
    ++below;
  }
  EXPECT_EQ(below, 1u) << "one sample a stack";
}

TEST(RssProfile, OfThisProcessIsItsRss) {
  const std::vector<char> touched(64 << 20, 'x');
  const std::uint64_t before = take_footprint().rss_bytes;
  const Profile profile = take_rss_profile();
  const std::uint64_t after = take_footprint().rss_bytes;
  const auto rss = static_cast<std::uint64_t>(total(profile));
  const std::uint64_t margin = 8 << 20;  // taking it takes memory
  EXPECT_GE(rss + margin, before);
  EXPECT_LE(rss, after + margin);
  EXPECT_GT(rss, touched.size());
}

}  // namespace
}  // namespace plateau
