// Protects what is written: the rules of profile.proto and of those who scrape it, and that nothing is lost on the way.
#include "profiling/pprof.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "profiling/formats/pprof_reader.hpp"
#include "profiling/heap_profile.hpp"
#include "profiling/mappings.hpp"
#include "profiling/symbolizer.hpp"

namespace plateau {
namespace {

using ::testing::ElementsAre;
using Stack = std::vector<std::uint64_t>;

Profile sample_profile() {
  Profile profile = heap_profile(524288);
  profile.mappings = {
      {.start = 0x1000, .limit = 0x2000, .offset = 0x100, .file = "/bin/service", .build_id = "abcd", .code_name = {}},
      {.start = 0x500, .limit = 0x600, .offset = 0, .file = "/lib/libjemalloc.so.2", .build_id = "", .code_name = {}}};
  name_allocator_code(profile.mappings);
  profile.comments = {"allocator: jemalloc"};
  profile.time_nanos = 1'700'000'000'000'000'000;
  const std::vector<ProfileLabel> labels{{.key = "bytes", .text = {}, .number = 64, .unit = "bytes"},
                                         {.key = "thread", .text = "worker", .number = 0, .unit = {}}};
  profile.add(Stack{0x511, 0x1101, 0x1201}, HeapValues{4, 40, 2, 20}, labels);
  profile.add(Stack{0x1101, 0x9999}, HeapValues{1, 10, -1, -10});
  profile.add(Stack{profile.named_frame("slab slack")}, HeapValues{0, 0, 0, 7});
  return profile;
}

TEST(Pprof, CarriesEverything) {
  const ReadProfile read = read_pprof(encode_pprof(sample_profile(), nullptr));
  ASSERT_EQ(read.sample_types.size(), 4U);
  const std::vector<std::string> types = {"alloc_objects", "alloc_space", "inuse_objects", "inuse_space"};
  for (std::size_t i = 0; i < types.size(); ++i) {
    EXPECT_EQ(read.sample_types[i].type, types[i]);
    EXPECT_EQ(read.sample_types[i].unit, i % 2 == 0 ? "count" : "bytes");
  }
  EXPECT_EQ(read.default_sample_type, "inuse_space");
  EXPECT_EQ(read.period, 524288);
  EXPECT_EQ(read.period_type.type, "space");
  EXPECT_EQ(read.time_nanos, 1'700'000'000'000'000'000);
  EXPECT_THAT(read.comments, ElementsAre("allocator: jemalloc"));
  EXPECT_FALSE(read.drop_frames.empty());

  ASSERT_EQ(read.samples.size(), 3U);
  EXPECT_THAT(read.samples[0].values, ElementsAre(4, 40, 2, 20));
  EXPECT_THAT(read.samples[1].values, ElementsAre(1, 10, -1, -10));
  ASSERT_EQ(read.samples[0].labels.size(), 2U);
  EXPECT_EQ(read.samples[0].labels[0].number, 64);
  EXPECT_EQ(read.samples[0].labels[0].unit, "bytes");
  EXPECT_EQ(read.samples[0].labels[1].text, "worker");
}

TEST(Pprof, AReturnAddressIsMovedIntoItsCallAndFindsItsMapping) {
  const ReadProfile read = read_pprof(encode_pprof(sample_profile(), nullptr));
  EXPECT_THAT(read.samples[0].locations, ElementsAre(1, 2, 3));
  EXPECT_THAT(read.samples[1].locations, ElementsAre(2, 4));
  EXPECT_EQ(read.locations[1].address, 0x1100U);
  EXPECT_EQ(read.locations[1].mapping, 1U) << "the program is the first, whatever its address";
  EXPECT_EQ(read.locations[0].mapping, 2U);
  EXPECT_EQ(read.locations[3].mapping, 0U) << "of no file";
  EXPECT_EQ(read.mappings[0].start, 0x1000U);
  EXPECT_EQ(read.mappings[0].limit, 0x2000U);
  EXPECT_EQ(read.mappings[0].offset, 0x100U);
  EXPECT_EQ(read.mappings[0].build_id, "abcd");

  Profile cpu(std::vector<ValueType>{{"cpu", "nanoseconds"}});
  cpu.leaf_is_return_address = false;
  cpu.add(Stack{0x1101, 0x1101}, std::vector<std::int64_t>{1});
  const ReadProfile leaf = read_pprof(encode_pprof(cpu, nullptr));
  EXPECT_EQ(leaf.locations[0].address, 0x1101U);
  EXPECT_EQ(leaf.locations[1].address, 0x1100U);
}

TEST(Pprof, FramesWithoutCodeAndStrippedAllocatorsHaveNames) {
  Symbolizer symbolizer;
  const ReadProfile read = read_pprof(encode_pprof(sample_profile(), &symbolizer));
  const auto name = [&](std::size_t location) {
    return read.functions.at(read.locations.at(location).lines.at(0).function - 1).name;
  };
  EXPECT_EQ(name(0), "[libjemalloc.so.2]");
  EXPECT_EQ(name(4), "slab slack");
  EXPECT_TRUE(read.locations[1].lines.empty()) << "there is no /bin/service to read";
  EXPECT_FALSE(read.mappings[0].has_functions);
}

TEST(Pprof, TheSameProfileGivesTheSameBytes) {
  Symbolizer one;
  Symbolizer other;
  Profile profile = heap_profile(1);
  profile.mappings = process_mappings();
  profile.add(
      Stack{reinterpret_cast<std::uint64_t>(&read_pprof) + 1, reinterpret_cast<std::uint64_t>(&encode_pprof) + 1},
      HeapValues{1, 2, 3, 4});
  EXPECT_EQ(encode_pprof(profile, &one), encode_pprof(profile, &other));
}

TEST(Pprof, AnEmptyProfileIsOne) {
  const ReadProfile read = read_pprof(encode_pprof(heap_profile(1), nullptr));
  EXPECT_EQ(read.sample_types.size(), 4U);
  EXPECT_TRUE(read.samples.empty());
}

TEST(Pprof, ALabelWithoutKeyIsRefused) {
  Profile profile = heap_profile(1);
  EXPECT_THROW(profile.add(Stack{1}, HeapValues{}, std::vector<ProfileLabel>{{}}), std::invalid_argument);
  EXPECT_THROW(profile.add(Stack{1}, std::vector<std::int64_t>{1}), std::invalid_argument);
}

}  // namespace
}  // namespace plateau
