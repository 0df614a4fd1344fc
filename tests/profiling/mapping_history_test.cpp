// Protects: code that was unloaded keeps its name in profiles, and never takes that of newer code away.
#include "profiling/symbols/mapping_history.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace plateau {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Mapping code(std::uint64_t start, std::uint64_t limit, std::string file, std::string build_id = "ab") {
  return {.start = start, .limit = limit, .file = std::move(file), .build_id = std::move(build_id), .code_name = {}};
}

const Mapping program = code(0x1000, 0x2000, "/bin/program");
const Mapping plugin = code(0x8000, 0xa000, "/lib/plugin.so", "cd");

TEST(MappingHistory, WhatIsGoneFollowsWhatIsMapped) {
  MappingHistory history;
  EXPECT_THAT(history.update({program, plugin}), SizeIs(2));
  for (int again = 0; again < 2; ++again) {
    const std::vector<Mapping> known = history.update({program});
    ASSERT_THAT(known, SizeIs(2));
    EXPECT_EQ(known[0].file, "/bin/program");
    EXPECT_TRUE(known[0].file_is_it);
    EXPECT_EQ(known[1].start, plugin.start);
    EXPECT_EQ(known[1].build_id, "cd");
    EXPECT_EQ(known[1].code_name, "[plugin.so, unloaded]");
    EXPECT_FALSE(known[1].file_is_it) << "who has replaced the file meanwhile?";
  }
  const std::vector<Mapping> back = history.update({program, plugin});
  ASSERT_THAT(back, SizeIs(2));
  EXPECT_EQ(back[1].code_name, "");
  EXPECT_THAT(history.comments(), IsEmpty());
}

TEST(MappingHistory, RemembersWhatNoProfileSaw) {
  MappingHistory history;
  history.update({program});
  history.remember({code(plugin.start, plugin.limit, "./plugin.so", "cd")});
  const std::vector<Mapping> known = history.update({program});
  ASSERT_THAT(known, SizeIs(2));
  EXPECT_EQ(known[1].code_name, "[plugin.so, unloaded]");
}

TEST(MappingHistory, ALinkAndItsFileAreTheSameCode) {
  MappingHistory history;
  history.update({program, code(plugin.start, plugin.limit, "/lib/plugin.so.1.0", "cd")});
  history.remember({plugin});
  EXPECT_THAT(history.update({program, code(plugin.start, plugin.limit, "/lib/plugin.so.1.0", "cd")}), SizeIs(2));
}

TEST(MappingHistory, NewerCodeHasTheAddressesAndThatIsSaid) {
  MappingHistory history;
  history.update({program, plugin});
  const Mapping newer = code(0x9000, 0x9800, "/lib/newer.so", "ef");
  const std::vector<Mapping> known = history.update({program, newer});
  ASSERT_THAT(known, SizeIs(4));
  EXPECT_EQ(known[1].file, "/lib/newer.so");
  EXPECT_EQ(known[2].start, 0x8000U);
  EXPECT_EQ(known[2].limit, 0x9000U);
  EXPECT_EQ(known[3].start, 0x9800U);
  EXPECT_EQ(known[3].limit, 0xa000U);
  EXPECT_EQ(known[3].offset, 0x1800U) << "addresses must stay those of the file";
  EXPECT_THAT(history.comments(), ElementsAre(HasSubstr("/lib/plugin.so was unloaded, and /lib/newer.so")));
}

TEST(MappingHistory, AnotherBuildOfTheSameFileIsOtherCode) {
  MappingHistory history;
  history.update({program, plugin});
  EXPECT_THAT(history.update({program, code(plugin.start, plugin.limit, plugin.file, "ef")}), SizeIs(2));
  EXPECT_THAT(history.comments(), SizeIs(1));
}

TEST(MappingHistory, IsBoundedForAProgramThatLoadsAndUnloadsForEver) {
  MappingHistory history;
  std::size_t most = 0;
  for (std::uint64_t i = 0; i < 3 * MappingHistory::most_gone; ++i) {
    const std::uint64_t start = 0x10000 + i * 0x1000;
    most = std::max(most, history.update({program, code(start, start + 0x1000, "/lib/" + std::to_string(i))}).size());
  }
  EXPECT_EQ(most, MappingHistory::most_gone + 2);
}

}  // namespace
}  // namespace plateau
