// Protects the table of mappings: whatever is mapped and unmapped over whatever was there, each address belongs to the
// last who mapped it, and to nobody once it is unmapped.
#include "profiling/sampler/range_table.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <random>

namespace plateau::sampler {
namespace {

using Table = RangeTable<64>;

std::uint32_t owner(const Table& table, std::uintptr_t address) {
  const auto range = table.find(address);
  return range ? range->stack : 0;
}

TEST(RangeTable, FindsWhatWasAddedAndNothingBesideIt) {
  Table table;
  ASSERT_TRUE(table.add({100, 200, 1}));
  EXPECT_EQ(owner(table, 99), 0u);
  EXPECT_EQ(owner(table, 100), 1u);
  EXPECT_EQ(owner(table, 199), 1u);
  EXPECT_EQ(owner(table, 200), 0u);
  EXPECT_FALSE(table.add({300, 300, 2})) << "empty";
}

TEST(RangeTable, UnmappingTheMiddleLeavesBothEnds) {
  Table table;
  ASSERT_TRUE(table.add({100, 200, 1}));
  ASSERT_TRUE(table.remove(120, 150));
  ASSERT_EQ(table.ranges().size(), 2u);
  EXPECT_EQ(owner(table, 119), 1u);
  EXPECT_EQ(owner(table, 120), 0u);
  EXPECT_EQ(owner(table, 149), 0u);
  EXPECT_EQ(owner(table, 150), 1u);
}

TEST(RangeTable, AFullTableRefusesAndStaysWhole) {
  Table table;
  for (std::uintptr_t i = 0; i < 64; ++i) ASSERT_TRUE(table.add({i * 10, i * 10 + 5, 1}));
  EXPECT_FALSE(table.add({1000, 1005, 2}));
  EXPECT_FALSE(table.remove(2, 3)) << "there is no place for the second half";
  EXPECT_EQ(owner(table, 2), 1u);
  EXPECT_EQ(table.ranges().size(), 64u);
  ASSERT_TRUE(table.remove(0, 630));
  EXPECT_EQ(table.ranges().size(), 1u);
}

TEST(RangeTable, NeighboursOfOneStackAreOneRange) {
  Table table;
  ASSERT_TRUE(table.add({100, 200, 1}));
  ASSERT_TRUE(table.add({300, 400, 1}));
  ASSERT_TRUE(table.add({200, 300, 1}));
  ASSERT_EQ(table.ranges().size(), 1u);
  EXPECT_EQ(table.ranges()[0].limit, 400u);
  ASSERT_TRUE(table.add({400, 500, 2}));
  ASSERT_TRUE(table.add({50, 100, 1, false, true}));
  EXPECT_EQ(table.ranges().size(), 3u) << "another stack, and another kind";
  ASSERT_TRUE(table.add({700, 800, 1, false, false, true}));
  ASSERT_TRUE(table.add({800, 900, 1, false, false, true}));
  EXPECT_EQ(table.ranges().size(), 5u) << "two files";
  ASSERT_TRUE(table.remove(700, 900));
  ASSERT_TRUE(table.add({500, 600, 2, true}));
  EXPECT_EQ(table.ranges().size(), 4u) << "a thread's stack ends with its thread";
}

// The kernel puts new mappings below the others.
TEST(RangeTable, EveryPlaceIsOfUseFromEitherSide) {
  for (const bool upwards : {false, true}) {
    Table table;
    for (std::uintptr_t i = 0; i < 64; ++i) {
      const std::uintptr_t start = (upwards ? i : 63 - i) * 10;
      ASSERT_TRUE(table.add({start, start + 5, 1})) << i;
    }
    for (std::uintptr_t i = 0; i < 64; ++i) EXPECT_EQ(owner(table, i * 10), 1u);
    EXPECT_FALSE(table.add({1000, 1005, 2}));
    table.clear();
    EXPECT_TRUE(table.ranges().empty());
  }
}

// Against a map of single addresses.
TEST(RangeTable, AgreesWithAMapOfAddressesWhateverIsDone) {
  constexpr std::uintptr_t addresses = 500;
  std::mt19937 random(2026);
  const auto table = std::make_unique<RangeTable<1024>>();
  std::array<std::uint32_t, addresses> expected{};
  for (std::uint32_t step = 1; step < 5000; ++step) {
    const std::uintptr_t start = random() % (addresses - 1);
    const std::uintptr_t limit = start + 1 + random() % (addresses - start - 1);
    const bool adds = random() % 2 == 0;
    ASSERT_TRUE(adds ? table->add({start, limit, step}) : table->remove(start, limit));
    for (std::uintptr_t at = start; at < limit; ++at) expected[at] = adds ? step : 0;
    for (std::uintptr_t at = 0; at < addresses; ++at) {
      const auto range = table->find(at);
      ASSERT_EQ(range ? range->stack : 0, expected[at]) << "address " << at << " after step " << step;
    }
    std::uintptr_t before = 0;
    for (const Range& range : table->ranges()) {
      ASSERT_GE(range.start, before);
      ASSERT_LT(range.start, range.limit);
      before = range.limit;
    }
  }
}

}  // namespace
}  // namespace plateau::sampler
