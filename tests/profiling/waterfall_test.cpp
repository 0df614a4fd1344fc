// Protects the one waterfall: each part's arithmetic by hand, that the parts add up to RSS whatever is not told, and
// that the tables in the READMEs are the table of the program.
#include "profiling/waterfall/waterfall.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include "allocators/heap_fields.hpp"
#include "profiling/waterfall/waterfall_json.hpp"

namespace plateau {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

std::vector<std::pair<std::string_view, std::int64_t>> by_id(const WaterfallInput& input) {
  std::vector<std::pair<std::string_view, std::int64_t>> result;
  for (const auto& [part, bytes] : measure_waterfall(input)) result.emplace_back(part->id, bytes);
  return result;
}

std::int64_t sum(const WaterfallInput& input) {
  std::int64_t total = 0;
  for (const auto& [id, bytes] : by_id(input)) total += bytes;
  return total;
}

WaterfallInput jemalloc_like() {
  WaterfallInput input;
  input.heap.allocated = 100;
  input.heap.active = 160;
  input.heap.resident = 200;
  input.heap.dirty = 30;
  input.rss_bytes = 300;
  input.file_bytes = 50;
  input.lazily_freed_bytes = 5;
  return input;
}

TEST(Waterfall, EachStepIsWhatTheOneBeforeDoesNotHold) {
  EXPECT_THAT(by_id(jemalloc_like()),
              ElementsAre(Pair("live", 100), Pair("slabs", 60), Pair("dirty", 30), Pair("metadata", 10),
                          Pair("lazyfree", 5), Pair("file", 50), Pair("shared", 0), Pair("rest", 45)));
}

TEST(Waterfall, RequestedBytesSplitTheLiveBlocks) {
  WaterfallInput input = jemalloc_like();
  input.heap.requested = 90;
  EXPECT_THAT(by_id(input), ElementsAre(Pair("requested", 90), Pair("rounding", 10), Pair("slabs", 60),
                                        Pair("dirty", 30), Pair("metadata", 10), Pair("lazyfree", 5), Pair("file", 50),
                                        Pair("shared", 0), Pair("rest", 45)));
}

TEST(Waterfall, SlabsAreToldApartFromThePaddingOfLargeBlocks) {
  WaterfallInput input = jemalloc_like();
  input.heap.slab_bytes = 50;
  input.heap.slab_region_bytes = 20;
  const auto parts = measure_waterfall(input);
  EXPECT_EQ(bytes_of(parts, "slabs"), 30);
  EXPECT_EQ(bytes_of(parts, "padding"), 30);
  EXPECT_EQ(sum(input), 300);
  input.heap.slab_region_bytes = 0;  // of another moment: the slabs cannot have more slack than there is
  input.heap.slab_bytes = 90;
  EXPECT_EQ(bytes_of(measure_waterfall(input), "slabs"), 60);
  EXPECT_EQ(bytes_of(measure_waterfall(input), "padding"), 0);
  EXPECT_EQ(sum(input), 300);
}

TEST(Waterfall, WhatAnAllocatorDoesNotTellIsNoPartAndNotZero) {
  EXPECT_THAT(by_id({.heap = {}, .rss_bytes = 7}), ElementsAre(Pair("file", 0), Pair("shared", 0), Pair("rest", 7)));
}

TEST(Waterfall, TheRestBeginsWhereAnAllocatorStopsTelling) {
  WaterfallInput input;
  input.heap.requested = 100;
  input.heap.allocated = 120;
  input.rss_bytes = 200;
  EXPECT_THAT(by_id(input), ElementsAre(Pair("requested", 100), Pair("rounding", 20), Pair("file", 0),
                                        Pair("shared", 0), Pair("rest", 80)));
}

TEST(Waterfall, TheResidualKeepsItsSign) {
  WaterfallInput input;
  input.heap.allocated = 100;
  input.heap.mapped = 500;
  input.rss_bytes = 300;
  EXPECT_THAT(by_id(input), ElementsAre(Pair("live", 100), Pair("free", 400), Pair("file", 0), Pair("shared", 0),
                                        Pair("rest", -200)));
  EXPECT_EQ(sum(input), 300);
}

TEST(Waterfall, FiguresOfTwoMomentsDoNotMakeAPartNegative) {
  WaterfallInput input = jemalloc_like();
  input.heap.requested = 110;  // more than is allocated, as that was read before
  input.heap.dirty = 70;       // more than is resident
  for (const auto& [part, bytes] : measure_waterfall(input)) EXPECT_TRUE(bytes >= 0 || part->is_residual()) << part->id;
  EXPECT_EQ(sum(input), 300);
}

TEST(Waterfall, TheKernelsWordOnLazyFreeGoesBeforeTheAllocators) {
  WaterfallInput input = jemalloc_like();
  input.heap.muzzy = 20;
  EXPECT_EQ(bytes_of(measure_waterfall(input), "muzzy"), std::nullopt);
  input.lazily_freed_bytes.reset();
  EXPECT_EQ(bytes_of(measure_waterfall(input), "muzzy"), 20);
  EXPECT_EQ(bytes_of(measure_waterfall(input), "lazyfree"), std::nullopt);
  EXPECT_EQ(sum(input), 300);
}

TEST(Waterfall, MappingsThatWereSeenLeaveTheResidual) {
  WaterfallInput input = jemalloc_like();
  const std::array mappings{ProgramMapping{.resident_bytes = 20},
                            ProgramMapping{.resident_bytes = 3, .is_thread_stack = true},
                            ProgramMapping{.resident_bytes = 7}};
  input.mappings = mappings;
  const auto parts = measure_waterfall(input);
  EXPECT_EQ(bytes_of(parts, "mapped"), 27);
  EXPECT_EQ(bytes_of(parts, "stacks"), 3);
  EXPECT_EQ(parts.back().bytes, 15);
}

TEST(Waterfall, CachesOfThreadsAreNoSlack) {
  WaterfallInput input = jemalloc_like();
  input.heap.cached = 25;
  const auto parts = measure_waterfall(input);
  EXPECT_EQ(bytes_of(parts, "live"), 100);
  EXPECT_EQ(bytes_of(parts, "caches"), 25);
  EXPECT_EQ(bytes_of(parts, "slabs"), 35);
  EXPECT_EQ(sum(input), 300);
}

ResidentMemory glibc_like() {
  ResidentMemory resident;
  resident.arenas = {{.told_in_use_bytes = 100, .in_use_bytes = 100, .free_bytes = 40, .is_main = true},
                     {.told_in_use_bytes = 300, .in_use_bytes = 60, .free_bytes = 0}};
  resident.large_block_bytes = 20;
  resident.heap_bytes = 220;
  resident.data_bytes = 5;
  resident.stack_bytes = 7;
  resident.untold_bytes = 11;
  resident.own_bytes = 9;
  resident.own_file_bytes = 4;
  return resident;
}

TEST(Waterfall, WithTheKernelsWordEachPageIsInOnePart) {
  const ResidentMemory resident = glibc_like();
  const WaterfallInput input{.heap = {}, .rss_bytes = 300, .file_bytes = 34, .shared_bytes = 16, .resident = &resident};
  EXPECT_THAT(by_id(input),
              ElementsAre(Pair("live", 180), Pair("free", 40), Pair("file", 30), Pair("data", 5), Pair("shared", 16),
                          Pair("stacks", 7), Pair("anonymous", 11), Pair("plateau", 9), Pair("rest", 2)));
}

TEST(Waterfall, CachesOfThreadsOnGlibcAreNotLive) {
  const ResidentMemory resident = glibc_like();
  WaterfallInput input{.heap = {}, .rss_bytes = 300, .resident = &resident};
  input.heap.cached = 30;
  EXPECT_EQ(bytes_of(measure_waterfall(input), "live"), 150);
  EXPECT_EQ(bytes_of(measure_waterfall(input), "caches"), 30);
  EXPECT_EQ(bytes_of(measure_waterfall(input), "free"), 40);
  input.heap.cached = 1000;
  EXPECT_EQ(bytes_of(measure_waterfall(input), "live"), 20) << "large blocks are in no cache";
  EXPECT_EQ(bytes_of(measure_waterfall(input), "caches"), 160) << "no part is larger than what is resident";
}

TEST(Waterfall, BlocksThatWereNeverTouchedAreNotLive) {
  ResidentMemory resident = glibc_like();
  WaterfallInput input{.heap = {}, .rss_bytes = 300, .resident = &resident, .untouched_bytes = 350};
  EXPECT_EQ(bytes_of(measure_waterfall(input), "live"), 50 + 20);
  EXPECT_EQ(bytes_of(measure_waterfall(input), "free"), 200 - 50) << "what is resident beside them is free";
}

TEST(Waterfall, PlateausOwnBlocksAreItsOwn) {
  const ResidentMemory resident = glibc_like();
  const WaterfallInput input{.heap = {}, .rss_bytes = 300, .resident = &resident, .own_heap_bytes = 30};
  EXPECT_EQ(bytes_of(measure_waterfall(input), "live"), 150);
  EXPECT_EQ(bytes_of(measure_waterfall(input), "plateau"), 39);
}

TEST(Waterfall, AnAllocatorThatCountsMoreThanIsResidentIsCutDown) {
  WaterfallInput input = jemalloc_like();
  ResidentMemory resident;
  input.resident = &resident;
  input.rss_bytes = 120;
  EXPECT_THAT(by_id(input), ElementsAre(Pair("live", 65), Pair("slabs", 0), Pair("dirty", 0), Pair("metadata", 0),
                                        Pair("lazyfree", 5), Pair("file", 50), Pair("data", 0), Pair("shared", 0),
                                        Pair("stacks", 0), Pair("anonymous", 0), Pair("plateau", 0), Pair("rest", 0)));
}

TEST(Waterfall, AnInterpretersHeapHasItsName) {
  ResidentMemory resident = glibc_like();
  resident.interpreter = "python3";
  resident.interpreter_bytes = 30;
  const WaterfallInput input{.heap = {}, .rss_bytes = 300, .resident = &resident};
  EXPECT_EQ(bytes_of(measure_waterfall(input), "interpreter"), 11 + 30);
  EXPECT_EQ(bytes_of(measure_waterfall(input), "anonymous"), std::nullopt);
}

TEST(Waterfall, PlateauIsNoGap) {
  ResidentMemory resident;
  resident.own_bytes = 250;
  const WaterfallInput input{.heap = {}, .rss_bytes = 300, .file_bytes = 40, .resident = &resident};
  EXPECT_EQ(largest_gap(measure_waterfall(input)).part->id, "file");
}

TEST(Waterfall, TheLargestGapIsNeverLiveData) {
  EXPECT_EQ(largest_gap(measure_waterfall(jemalloc_like())).part->id, "slabs");
}

// A part without advice would be a riddle in every place that shows it.
TEST(Waterfall, EveryPartIsExplained) {
  for (const WaterfallPart& part : waterfall_parts()) {
    EXPECT_THAT(std::string(part.id), ::testing::MatchesRegex("[a-z]+"));
    for (const std::string_view words : {part.name, part.meaning, part.closed_by, part.not_closed_by}) {
      EXPECT_FALSE(words.empty()) << part.id;
      EXPECT_LE(words.size(), 100U) << part.id;
    }
    EXPECT_EQ(&waterfall_part(part.id), &part);
  }
  EXPECT_THROW(waterfall_part("no such part"), std::out_of_range);
}

TEST(Waterfall, AsJsonHasPartsByIdAndNullForWhatIsNotTold) {
  const auto parts = to_json(std::span<const MeasuredPart>(measure_waterfall(jemalloc_like())));
  EXPECT_EQ(parts,
            boost::json::parse(R"({"live": 100, "slabs": 60, "dirty": 30, "metadata": 10, "lazyfree": 5, "file": 50,
                                          "shared": 0, "rest": 45})"));
  const boost::json::object heap = to_json(jemalloc_like().heap);
  EXPECT_EQ(heap.size(), heap_fields.size());
  EXPECT_EQ(heap.at("active"), 160);
  EXPECT_TRUE(heap.at("requested").is_null());
}

// The rows of a README that show a part begin with its id as code.
std::string readme_row(const WaterfallPart& part) {
  return fmt::format("| `{}` | {} | {} | {} | {} |", part.id, part.name, part.meaning, part.closed_by,
                     part.not_closed_by);
}

std::vector<std::string> shown_rows(const std::string& readme) {
  std::vector<std::string> rows;
  std::ifstream in(readme);
  for (std::string line; std::getline(in, line);) {
    for (const WaterfallPart& part : waterfall_parts()) {
      if (line.starts_with(fmt::format("| `{}` |", part.id))) rows.push_back(line);
    }
  }
  return rows;
}

TEST(Waterfall, TheReadmeOfProfilingShowsTheWholeTable) {
  std::vector<std::string> expected;
  for (const WaterfallPart& part : waterfall_parts()) expected.push_back(readme_row(part));
  EXPECT_EQ(shown_rows(SOURCES "/profiling/README.md"), expected);
}

TEST(Waterfall, TheReadmeOfTheOrderServiceShowsRowsOfTheTableInItsOrder) {
  const std::vector<std::string> rows = shown_rows(SOURCES "/labs/order_service/README.md");
  EXPECT_GE(rows.size(), 5U);
  std::size_t at = 0;
  for (const WaterfallPart& part : waterfall_parts()) {
    if (at < rows.size() && rows[at] == readme_row(part)) ++at;
  }
  EXPECT_EQ(at, rows.size()) << "not as the table has it: " << rows[std::min(at, rows.size() - 1)];
}

}  // namespace
}  // namespace plateau
