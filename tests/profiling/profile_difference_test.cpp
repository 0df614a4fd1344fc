// Protects what is subtracted from what: by stack, whatever order, labels or load address.
#include "profiling/profile_difference.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "profiling/heap_profile.hpp"

namespace plateau {
namespace {

using ::testing::HasSubstr;
using Stack = std::vector<std::uint64_t>;

void add(Profile& profile, const Stack& stack, HeapValues values, std::int64_t mean = 1,
         const std::string& thread = {}) {
  std::vector<ProfileLabel> labels{{.key = "bytes", .text = {}, .number = mean, .unit = "bytes"}};
  if (!thread.empty()) labels.push_back({.key = "thread", .text = thread, .number = 0, .unit = {}});
  profile.add(stack, values, labels);
}

std::map<Stack, HeapValues> by_stack(const Profile& profile) {
  std::map<Stack, HeapValues> result;
  for (const Profile::Sample& sample : profile.samples()) {
    const auto stack = profile.stack(sample);
    HeapValues& sum = result[{stack.begin(), stack.end()}];
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += profile.values(sample)[i];
  }
  return result;
}

TEST(ProfileDifference, SubtractsByStackAndKeepsWhatIsGoneAsNegative) {
  Profile earlier = heap_profile(1);
  add(earlier, {1, 2}, {10, 100, 5, 50});
  add(earlier, {3}, {1, 1, 1, 1});
  add(earlier, {4}, {7, 7, 7, 7});
  earlier.time_nanos = 1'000;
  Profile later = heap_profile(1);
  add(later, {4}, {7, 7, 7, 7});
  add(later, {5}, {1, 2, 3, 4});
  add(later, {1, 2}, {15, 160, 6, 60}, 10);  // another mean size does not make it another stack
  later.time_nanos = 4'000;
  const Profile result = difference(later, earlier);
  const std::map<Stack, HeapValues> expected = {{{1, 2}, {5, 60, 1, 10}}, {{3}, {-1, -1, -1, -1}}, {{5}, {1, 2, 3, 4}}};
  EXPECT_EQ(by_stack(result), expected);
  EXPECT_EQ(result.samples().size(), 3U) << "what did not change is left out";
  EXPECT_EQ(result.duration_nanos, 3'000);
}

TEST(ProfileDifference, ColumnsCanStayAsTheyAreAtTheEnd) {
  Profile earlier = heap_profile(1);
  add(earlier, {1}, {10, 100, 5, 50});
  add(earlier, {2}, {10, 100, 5, 50});
  Profile later = heap_profile(1);
  add(later, {1}, {11, 110, 4, 40});
  const std::map<Stack, HeapValues> expected = {{{1}, {1, 10, 4, 40}}, {{2}, {-10, -100, 0, 0}}};
  EXPECT_EQ(by_stack(difference(later, earlier, {"inuse_objects", "inuse_space"})), expected);
}

TEST(ProfileDifference, AStackOfSeveralSamplesIsOne) {
  Profile earlier = heap_profile(1);
  add(earlier, {1}, {1, 1, 1, 1}, 1);
  add(earlier, {1}, {2, 2, 2, 2}, 2);
  EXPECT_TRUE(difference(earlier, earlier).samples().empty()) << "tcmalloc writes a row for each block it sampled";
}

TEST(ProfileDifference, ThreadsAreKeptApart) {
  Profile earlier = heap_profile(1);
  add(earlier, {1}, {1, 1, 1, 1}, 1, "a");
  add(earlier, {1}, {2, 2, 2, 2}, 1, "b");
  Profile later = heap_profile(1);
  add(later, {1}, {3, 3, 3, 3}, 1, "b");
  add(later, {1}, {1, 1, 1, 1}, 1, "a");
  const Profile result = difference(later, earlier);
  ASSERT_EQ(result.samples().size(), 1U);
  EXPECT_EQ(result.labels(result.samples()[0])[1].text, "b");
}

TEST(ProfileDifference, FollowsCodeToWhereItIsMappedNow) {
  Profile earlier = heap_profile(1);
  earlier.mappings = {
      {.start = 0x1000, .limit = 0x2000, .offset = 0, .file = "/bin/a", .build_id = "ab", .code_name = {}}};
  add(earlier, {0x1100, 0x1200}, {1, 1, 1, 1});
  Profile later = heap_profile(1);
  later.mappings = {
      {.start = 0x9000, .limit = 0xa000, .offset = 0, .file = "/bin/a", .build_id = "ab", .code_name = {}}};
  add(later, {0x9100, 0x9200}, {3, 3, 3, 3});
  const std::map<Stack, HeapValues> expected = {{{0x9100, 0x9200}, {2, 2, 2, 2}}};
  EXPECT_EQ(by_stack(difference(later, earlier)), expected);

  later.mappings[0].build_id = "cd";
  try {
    difference(later, earlier);
    FAIL() << "another build was subtracted";
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(), HasSubstr("/bin/a"));
  }
}

TEST(ProfileDifference, CodeThatIsNoLongerMappedIsAFrameOfItsFile) {
  Profile earlier = heap_profile(1);
  earlier.mappings = {{.start = 0x1000, .limit = 0x2000, .file = "/bin/a", .build_id = {}, .code_name = {}},
                      {.start = 0x8000, .limit = 0x9000, .file = "/lib/plugin.so", .build_id = {}, .code_name = {}}};
  add(earlier, {0x8100, 0x1200}, {1, 1, 1, 1});
  Profile later = heap_profile(1);
  later.mappings = {earlier.mappings[0]};
  const Profile result = difference(later, earlier);
  ASSERT_EQ(result.samples().size(), 1U);
  const auto stack = result.stack(result.samples()[0]);
  EXPECT_EQ(result.frame_name(stack[0]), "[plugin.so, unloaded]");
  EXPECT_EQ(stack[1], 0x1200U);
  EXPECT_EQ(result.values(result.samples()[0])[0], -1);
}

TEST(ProfileDifference, NamedFramesAreMatchedByName) {
  Profile earlier = heap_profile(1);
  const std::uint64_t other = earlier.named_frame("other");
  add(earlier, {earlier.named_frame("slab slack")}, {1, 1, 1, 1});
  add(earlier, {other}, {5, 5, 5, 5});
  Profile later = heap_profile(1);
  add(later, {later.named_frame("slab slack")}, {4, 4, 4, 4});
  const Profile result = difference(later, earlier);
  std::map<std::string, std::int64_t> values;
  for (const Profile::Sample& sample : result.samples()) {
    values[std::string(*result.frame_name(result.stack(sample)[0]))] = result.values(sample)[3];
  }
  EXPECT_EQ(values, (std::map<std::string, std::int64_t>{{"other", -5}, {"slab slack", 3}}));
}

TEST(ProfileDifference, RefusesOtherSampleTypes) {
  EXPECT_THROW(difference(heap_profile(1), Profile(std::vector<ValueType>{{"cpu", "nanoseconds"}})),
               std::invalid_argument);
}

}  // namespace
}  // namespace plateau
