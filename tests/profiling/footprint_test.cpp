// Protects the RSS waterfall: its parts add up to RSS on every allocator, and the gap it names is the one that was
// made.
#include "profiling/footprint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <sstream>
#include <vector>

#include <boost/json.hpp>

namespace plateau {
namespace {

using ::testing::HasSubstr;

std::int64_t sum(const std::vector<FootprintPart>& parts) {
  return std::accumulate(parts.begin(), parts.end(), std::int64_t{0},
                         [](std::int64_t total, const FootprintPart& part) { return total + part.bytes; });
}

const FootprintPart* find(const Footprint& footprint, std::string_view name) {
  for (const FootprintPart& part : footprint.parts) {
    if (part.name == name) return &part;
  }
  return nullptr;
}

bool runs_on(const char* allocator) {
  const char* const expected = std::getenv("EXPECTED_ALLOCATOR");
  return expected != nullptr && std::string_view(expected) == allocator;
}

TEST(Footprint, RunsOnTheAllocatorThatWasAskedFor) {
  const char* const expected = std::getenv("EXPECTED_ALLOCATOR");
  EXPECT_THAT(take_footprint().allocator, ::testing::StartsWith(expected != nullptr ? expected : ""));
}

TEST(Footprint, PartsAddUpToRss) {
  const std::vector<char> touched(32 << 20, 'x');
  const Footprint footprint = take_footprint();
  EXPECT_GT(footprint.rss_bytes, touched.size());
  EXPECT_GE(footprint.peak_rss_bytes, footprint.rss_bytes);
  EXPECT_EQ(sum(footprint.parts), static_cast<std::int64_t>(footprint.rss_bytes));
  for (const FootprintPart& part : footprint.parts) {
    EXPECT_TRUE(part.bytes >= 0 || &part == &footprint.residual()) << part.name;
  }
}

TEST(Footprint, LiveDataIsNoGap) {
  const std::vector<char> touched(64 << 20, 'x');
  const Footprint footprint = take_footprint();
  const FootprintPart* const live = find(footprint, "live blocks");
  if (live == nullptr) GTEST_SKIP() << footprint.allocator << " does not tell";
  EXPECT_GE(live->bytes, 64 << 20);
  EXPECT_NE(&footprint.largest_gap(), live);
}

TEST(Footprint, RequestedBytesSplitTheLiveBlocks) {
  const Footprint footprint = take_footprint(1000);
  ASSERT_NE(find(footprint, "requested"), nullptr);
  EXPECT_EQ(find(footprint, "requested")->bytes, 1000);
  EXPECT_EQ(find(footprint, "live blocks"), nullptr);
  EXPECT_EQ(sum(footprint.parts), static_cast<std::int64_t>(footprint.rss_bytes));
}

// The recipe that is known to pin slabs: three sizes mixed, then all but a scattered 1 in 20 are freed.
TEST(Footprint, PinnedSlabsAreTheGapThatPurgingDoesNotClose) {
  if (!runs_on("jemalloc")) GTEST_SKIP() << "only jemalloc tells how much is active";
  constexpr std::array<std::size_t, 4> sizes{512, 1024, 512, 2048};
  std::vector<std::unique_ptr<char[]>> blocks;
  for (std::size_t i = 0; i < 200'000; ++i) blocks.push_back(std::make_unique<char[]>(sizes[i % sizes.size()]));
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (i % 20 != 0) blocks[i].reset();
  }
  Heap::process().purge();
  const Footprint footprint = take_footprint();
  EXPECT_EQ(footprint.largest_gap().name, "slab slack");
  EXPECT_GT(footprint.largest_gap().bytes, static_cast<std::int64_t>(footprint.rss_bytes / 2));
  EXPECT_THAT(std::string(footprint.largest_gap().not_closed_by), HasSubstr("purge"));
}

TEST(Footprint, FreedPagesAreTheGapThatPurgingCloses) {
  if (!runs_on("jemalloc")) GTEST_SKIP() << "only jemalloc keeps freed pages for some time and tells how many";
  Heap::process().set_dirty_decay(std::chrono::milliseconds(-1));
  { const std::vector<char> freed(64 << 20, 'x'); }
  const Footprint before = take_footprint();
  EXPECT_EQ(before.largest_gap().name, "dirty pages");
  EXPECT_GE(before.largest_gap().bytes, 64 << 20);
  Heap::process().purge();
  EXPECT_LT(find(take_footprint(), "dirty pages")->bytes, 8 << 20);
}

// Figures by hand, so that each step is checked by itself.
TEST(Footprint, StepsOfTheWaterfall) {
  FootprintInput input;
  input.heap.allocated = 100;
  input.heap.active = 160;
  input.heap.resident = 200;
  input.heap.dirty = 30;
  input.rss_bytes = 300;
  input.file_bytes = 50;
  input.lazily_freed_bytes = 5;
  const auto parts = footprint_parts(input);
  std::vector<std::int64_t> bytes;
  for (const FootprintPart& part : parts) bytes.push_back(part.bytes);
  EXPECT_THAT(bytes, ::testing::ElementsAre(100, 60, 30, 10, 5, 50, 0, 45));
}

TEST(Footprint, TheResidualKeepsItsSign) {
  FootprintInput input;
  input.heap.allocated = 100;
  input.heap.mapped = 500;
  input.rss_bytes = 300;
  const auto parts = footprint_parts(input);
  EXPECT_EQ(parts.back().bytes, -200);
  EXPECT_EQ(sum(parts), 300);
}

TEST(Footprint, JsonHoldsTheSameFigures) {
  const Footprint footprint = take_footprint();
  const boost::json::object json = boost::json::parse(to_json(footprint)).as_object();
  EXPECT_EQ(json.at("rss_bytes").to_number<std::uint64_t>(), footprint.rss_bytes);
  std::int64_t total = 0;
  for (const auto& part : json.at("parts").as_array()) total += part.at("bytes").to_number<std::int64_t>();
  EXPECT_EQ(total, static_cast<std::int64_t>(footprint.rss_bytes));
  EXPECT_EQ(json.at("residual_bytes").to_number<std::int64_t>(), footprint.residual().bytes);
  EXPECT_EQ(json.at("largest_gap").at("name").as_string(), footprint.largest_gap().name);
  EXPECT_TRUE(json.at("steps").at("requested").is_null()) << "not known is null, not 0";
}

TEST(Footprint, TextIsOneScreen) {
  const Footprint footprint = take_footprint();
  std::istringstream text(to_text(footprint));
  std::size_t lines = 0;
  for (std::string line; std::getline(text, line); ++lines) EXPECT_LE(line.size(), 120U) << line;
  EXPECT_LE(lines, 24U);
  EXPECT_THAT(to_text(footprint), HasSubstr("= RSS"));
  EXPECT_THAT(to_text(footprint), HasSubstr("untracked (residual)"));
  EXPECT_THAT(to_text(footprint), HasSubstr("largest gap: " + std::string(footprint.largest_gap().name)));
}

}  // namespace
}  // namespace plateau
