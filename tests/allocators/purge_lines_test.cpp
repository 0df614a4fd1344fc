// Protects the lines of PLATEAU_TRACE=purge=1, which people and scripts read: their form, that the figures in them are
// those of the program, and that a program that cannot be traced says why and runs on.
#include "allocators/purge_lines.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/child_program.hpp"

namespace plateau::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string formatted(const PurgeLine& line) {
  std::array<char, 512> buffer{};
  return std::string(format_purge_line(line, buffer));
}

PurgeLine example() {
  return {.number = 7,
          .seconds_since_start = 3.0214,
          .cpu_share = 0.0241,
          .burst = {.wall_ns = 213'400'000, .cpu_ns = 2'010'000, .bytes = 205'000'000, .calls = 50'012, .thread = 4711},
          .before = {.dirty_bytes = 100'000, .resident_bytes = 812'000'000},
          .after = {.dirty_bytes = 0, .resident_bytes = 607'000'000},
          .goal_bytes = {},
          .decay_ms = 0};
}

TEST(PurgeLine, SaysWhoPaidAndWhatItBought) {
  PurgeLine line = example();
  EXPECT_EQ(formatted(line),
            "purge 7 @3.021s 2.4%: 213+0 ms wall, 2.0+0 ms cpu, 50012 calls, 205 MB, dirty 0.10->0 MB, resident "
            "812->607 MB, goal decay 0 ms, thread 4711\n");
  line.burst.background = true;
  EXPECT_THAT(formatted(line), HasSubstr(": 0+213 ms wall, 0+2.0 ms cpu,"));
}

TEST(PurgeLine, WhatIsNotKnownIsNotZero) {
  PurgeLine line = example();
  line.before = {};
  line.decay_ms.reset();
  EXPECT_THAT(formatted(line), HasSubstr("dirty ?->0 MB, resident ?->607 MB, thread 4711\n"));
}

TEST(PurgeLine, AGoalOfTheProgramGoesBeforeTheDecay) {
  PurgeLine line = example();
  line.goal_bytes = 64'000'000;
  EXPECT_THAT(formatted(line), HasSubstr("goal 64 MB dirty, thread"));
}

TEST(PurgeLine, ABufferTooSmallIsNotOverrun) {
  std::array<char, 20> buffer{};
  const std::string_view text = format_purge_line(example(), std::span(buffer).first(19));
  EXPECT_LE(text.size(), 19U);
  EXPECT_EQ(text.back(), '\n');
  EXPECT_EQ(buffer[19], '\0');
}

using Environment = std::vector<std::string>;
const std::string on_jemalloc = "LD_PRELOAD=libjemalloc.so.2";
const std::string trace = "PLATEAU_TRACE=purge=1";

struct Parsed {
  std::uint64_t calls = 0;
  double megabytes = 0;
  std::vector<std::string> lines;
  std::string end;
};

Parsed parse(const std::string& error) {
  static const std::regex form(
      R"(purge (\d+) @\d+\.\d{3}s \d+\.\d%: [\d.]+\+[\d.]+ ms wall, [\d.]+\+[\d.]+ ms cpu, (\d+) calls, ([\d.]+) MB,)"
      R"( dirty [\d.?]+->[\d.?]+ MB, resident [\d.?]+->[\d.?]+ MB, goal decay -?\d+ ms, thread \d+)");
  Parsed parsed;
  std::istringstream lines(error);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (line.starts_with("purge trace ended")) {
      parsed.end = line;
    } else if (std::regex_match(line, match, form)) {
      parsed.lines.push_back(line);
      EXPECT_EQ(match[1], std::to_string(parsed.lines.size())) << "numbered from 1 on";
      parsed.calls += std::stoull(match[2]);
      parsed.megabytes += std::stod(match[3]);
    } else {
      ADD_FAILURE() << "not a line of the trace: " << line;
    }
  }
  return parsed;
}

TEST(PurgeTraceFromEnvironment, PrintsEveryPurgeOfTheProgram) {
  const Finished ended = run_to_end({PURGING_PROGRAM}, {on_jemalloc, "MALLOC_CONF=dirty_decay_ms:0", trace});
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.out, "");
  const Parsed parsed = parse(ended.error);
  EXPECT_FALSE(parsed.lines.empty());
  EXPECT_GE(parsed.megabytes, 2 * 2000 * 8192 / 1e6 * 0.95) << ended.error;
  EXPECT_LE(parsed.megabytes, 2 * 2000 * 8192 / 1e6 * 1.2) << ended.error;
  EXPECT_THAT(parsed.end, HasSubstr(std::to_string(parsed.lines.size()) + " bursts"));
  EXPECT_THAT(parsed.end, HasSubstr(std::to_string(parsed.calls) + " calls seen of jemalloc's "));
}

TEST(PurgeTraceFromEnvironment, AProgramThatPurgesNothingHasOneLine) {
  const Finished ended = run_to_end({PURGING_PROGRAM}, {on_jemalloc, "MALLOC_CONF=dirty_decay_ms:-1", trace});
  EXPECT_TRUE(parse(ended.error).lines.empty()) << ended.error;
  EXPECT_THAT(parse(ended.error).end, HasSubstr("0 bursts, 0 calls seen of jemalloc's 0, 0 dropped"));
}

TEST(PurgeTraceFromEnvironment, AForkedChildSaysNothing) {
  const Finished ended = run_to_end({PURGING_PROGRAM, "fork"}, {on_jemalloc, "MALLOC_CONF=dirty_decay_ms:0", trace});
  EXPECT_EQ(ended.status, 0);
  const auto first = ended.error.find("purge trace ended");
  EXPECT_NE(first, std::string::npos);
  EXPECT_EQ(ended.error.find("purge trace ended", first + 1), std::string::npos) << ended.error;
}

TEST(PurgeTraceFromEnvironment, UnderARetentionPolicyTheGoalIsItsOwn) {
  const Finished ended = run_to_end({PURGING_PROGRAM, "policy"}, {on_jemalloc, trace});
  EXPECT_EQ(ended.status, 0) << ended.error;
  EXPECT_THAT(ended.error, ::testing::ContainsRegex(", goal [0-9.]+ MB dirty, thread ")) << ended.error;
  EXPECT_EQ(ended.error.find("goal decay -1 ms"), std::string::npos) << ended.error;
}

TEST(PurgeTraceFromEnvironment, NotAskedForThereIsNothing) {
  for (const char* const asked : {"PLATEAU_TRACE=", "PLATEAU_TRACE=purge=0", "OTHER=1"}) {
    EXPECT_EQ(run_to_end({PURGING_PROGRAM}, {on_jemalloc, asked}).error, "") << asked;
  }
}

TEST(PurgeTraceFromEnvironment, WhatCannotBeHadIsOneLine) {
  EXPECT_EQ(run_to_end({PURGING_PROGRAM}, {"LD_PRELOAD=", trace}).error,
            "plateau: PLATEAU_TRACE: a purge trace needs jemalloc: link libjemalloc or preload libjemalloc.so.2\n");
  const Finished misspelt = run_to_end({PURGING_PROGRAM}, {on_jemalloc, "PLATEAU_TRACE=purges=1"});
  EXPECT_EQ(misspelt.status, 0);
  EXPECT_EQ(misspelt.error, "plateau: PLATEAU_TRACE: \"purges=1\" is not known: give purge=1\n");
  EXPECT_THAT(run_to_end({PURGING_PROGRAM}, {on_jemalloc, "MALLOC_CONF=hpa:true", trace}).error,
              StartsWith("plateau: PLATEAU_TRACE: a purge trace would turn jemalloc's huge page allocator off"));
}

}  // namespace
}  // namespace plateau::testing
