// Protects the RSS waterfall: its parts add up to RSS on every allocator, and the gap it names is the one that was
// made.
#include "profiling/footprint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <sstream>
#include <vector>

#include <boost/json.hpp>

#include "profiling/waterfall/verdict.hpp"

namespace plateau {
namespace {

using ::testing::HasSubstr;

std::int64_t sum(const std::vector<MeasuredPart>& parts) {
  return std::accumulate(parts.begin(), parts.end(), std::int64_t{0},
                         [](std::int64_t total, const MeasuredPart& part) { return total + part.bytes; });
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
  for (const MeasuredPart& part : footprint.parts) {
    EXPECT_TRUE(part.bytes >= 0 || &part == &footprint.residual()) << part.part->name;
  }
}

TEST(Footprint, LiveDataIsNoGap) {
  const std::vector<char> touched(64 << 20, 'x');
  const Footprint footprint = take_footprint();
  const auto live = bytes_of(footprint.parts, "live");
  if (!live) GTEST_SKIP() << footprint.allocator << " does not tell";
  EXPECT_GE(*live, 64 << 20);
  EXPECT_NE(footprint.largest_gap().part->id, "live");
}

TEST(Footprint, RequestedBytesSplitTheLiveBlocks) {
  const Footprint footprint = take_footprint(1000);
  EXPECT_EQ(bytes_of(footprint.parts, "requested"), 1000);
  EXPECT_EQ(bytes_of(footprint.parts, "live"), std::nullopt);
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
  EXPECT_EQ(footprint.largest_gap().part->name, "slab slack");
  EXPECT_GT(footprint.largest_gap().bytes, static_cast<std::int64_t>(footprint.rss_bytes / 2));
  EXPECT_THAT(std::string(footprint.largest_gap().part->not_closed_by), HasSubstr("purge"));
}

TEST(Footprint, FreedPagesAreTheGapThatPurgingCloses) {
  if (!runs_on("jemalloc")) GTEST_SKIP() << "only jemalloc keeps freed pages for some time and tells how many";
  Heap::process().set_dirty_decay(std::chrono::milliseconds(-1));
  { const std::vector<char> freed(64 << 20, 'x'); }
  const Footprint before = take_footprint();
  EXPECT_EQ(before.largest_gap().part->name, "dirty pages");
  EXPECT_GE(before.largest_gap().bytes, 64 << 20);
  Heap::process().purge();
  EXPECT_LT(bytes_of(take_footprint().parts, "dirty"), 8 << 20);
}

TEST(Footprint, LargeBlocksArePaddedAndNotTakenForSlabs) {
  if (!runs_on("jemalloc")) GTEST_SKIP() << "only jemalloc tells its slabs";
  const std::int64_t before = bytes_of(take_footprint().parts, "padding").value();
  // A page each, where jemalloc has cache_oblivious on, which is its default.
  std::vector<std::unique_ptr<char[]>> large;
  for (std::size_t i = 0; i < 1000; ++i) large.push_back(std::make_unique<char[]>(64 << 10));
  EXPECT_GE(bytes_of(take_footprint().parts, "padding").value() - before, 900 * 4096);
}

// What the program reserved and never touched is no RSS, and must not be taken for somebody's who is.
TEST(Footprint, NoPartIsLargerThanRssWhateverIsReserved) {
  std::vector<std::unique_ptr<char, void (*)(void*)>> reserved;
  for (std::size_t i = 0; i < 16; ++i) {
    reserved.emplace_back(static_cast<char*>(std::malloc(std::size_t{64} << 20)), std::free);
    reserved.back().get()[i] = 'x';
  }
  const Footprint footprint = take_footprint();
  ASSERT_LT(footprint.rss_bytes, std::uint64_t{900} << 20);
  EXPECT_EQ(sum(footprint.parts), static_cast<std::int64_t>(footprint.rss_bytes));
  for (const MeasuredPart& part : footprint.parts) {
    EXPECT_LE(part.bytes, static_cast<std::int64_t>(footprint.rss_bytes)) << part.part->id;
  }
  if (footprint.resident) {
    EXPECT_GE(footprint.residual().bytes, -(std::int64_t{4} << 20));
  }
}

TEST(Footprint, SharedAnonymousMemoryCountsOnce) {
  constexpr std::size_t bytes = std::size_t{64} << 20;
  void* const shared = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  std::memset(shared, 1, bytes);
  const Footprint footprint = take_footprint();
  ::munmap(shared, bytes);
  EXPECT_GE(bytes_of(footprint.parts, "shared"), static_cast<std::int64_t>(bytes));
  if (!footprint.resident) GTEST_SKIP() << "this kernel has no smaps";
  EXPECT_LT(std::abs(footprint.residual().bytes), std::int64_t{8} << 20);
}

// malloc_trim leaves holes that mallinfo counts as free: only residency tells.
TEST(Footprint, FreeBlocksOfGlibcAreThoseThatAreResident) {
  if (!runs_on("glibc")) GTEST_SKIP() << "only glibc's arenas are looked at page by page";
  std::vector<std::unique_ptr<char[]>> blocks;
  for (std::size_t i = 0; i < 100'000; ++i) blocks.push_back(std::make_unique<char[]>(1000));
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (i % 500 != 0) blocks[i].reset();
  }
  const auto kept = bytes_of(take_footprint().parts, "free");
  Heap::process().purge();
  const auto trimmed = bytes_of(take_footprint().parts, "free");
  EXPECT_GE(kept, 80'000'000);
  EXPECT_LE(trimmed, 20'000'000);
}

TEST(Footprint, TheHeadlineNamesWhoHasTheMemory) {
  const std::vector<char> touched(256 << 20, 'x');
  const Footprint footprint = take_footprint();
  if (!bytes_of(footprint.parts, "live")) GTEST_SKIP() << footprint.allocator << " does not tell";
  EXPECT_THAT(verdict(footprint), HasSubstr("% live blocks: the program holds it; no setting of the allocator helps"));
  EXPECT_THAT(to_text(footprint), HasSubstr(footprint.program + " (process "));
}

TEST(Footprint, JsonHoldsTheSameFigures) {
  const Footprint footprint = take_footprint();
  const boost::json::object json = boost::json::parse(to_json(footprint)).as_object();
  EXPECT_EQ(json.at("rss_bytes").to_number<std::uint64_t>(), footprint.rss_bytes);
  std::int64_t total = 0;
  for (const auto& part : json.at("parts").as_array()) total += part.at("bytes").to_number<std::int64_t>();
  EXPECT_EQ(total, static_cast<std::int64_t>(footprint.rss_bytes));
  EXPECT_EQ(json.at("residual_bytes").to_number<std::int64_t>(), footprint.residual().bytes);
  EXPECT_EQ(json.at("largest_gap").is_object(), footprint.has_gap()) << "a gap under a tenth of RSS is none";
  if (footprint.has_gap()) {
    EXPECT_EQ(json.at("largest_gap").at("id").as_string(), footprint.largest_gap().part->id);
  }
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
  const auto gap = HasSubstr("largest gap: " + std::string(footprint.largest_gap().part->name));
  if (footprint.has_gap()) {
    EXPECT_THAT(to_text(footprint), gap);
  } else {
    EXPECT_THAT(to_text(footprint), ::testing::Not(HasSubstr("largest gap")));
  }
}

}  // namespace
}  // namespace plateau
