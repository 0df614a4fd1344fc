// Protects the readers of allocators' heap text: every format, each column unsampled by itself and once, what is not
// available kept apart from 0, threads, and broken input refused by its line.
#include "profiling/legacy_heap.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace plateau {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* maps =
    "\n"
    "MAPPED_LIBRARIES:\n"
    "00400000-00500000 r--p 00000000 08:01 1    /bin/my service\n"
    "00500000-00600000 r-xp 00100000 08:01 1    /bin/my service\n"
    "7f0000000000-7f0000001000 rw-p 00000000 00:00 0 \n"
    "7f0000001000-7f0000002000 r-xp 00001000 08:01 2    /lib/libjemalloc.so.2 (deleted)\n"
    "7f0000003000-7f0000004000 r-xp 00000000 00:00 0 \n"
    "7ffd00000000-7ffd00001000 r-xp 00000000 00:00 0    [vdso]\n"
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0    [vsyscall]\n";

LegacyHeap read(const std::string& text, const LegacyHeapLimits& limits = {}) {
  std::istringstream in(text);
  return read_legacy_heap(in, limits);
}

LegacyHeap read_as(const std::string& text, const LegacyHeapOptions& options) {
  std::istringstream in(text);
  return read_legacy_heap(in, options);
}

std::string error_of(const std::string& text, const LegacyHeapLimits& limits = {}) {
  try {
    read(text, limits);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no error";
}

std::vector<std::int64_t> values(const Profile& profile, std::size_t index) {
  const auto span = profile.values(profile.samples().at(index));
  return {span.begin(), span.end()};
}

std::vector<std::uint64_t> stack(const Profile& profile, std::size_t index) {
  const auto span = profile.stack(profile.samples().at(index));
  return {span.begin(), span.end()};
}

std::string text_label(const Profile& profile, std::size_t index, const std::string& key) {
  for (const ProfileLabel& label : profile.labels(profile.samples().at(index))) {
    if (label.key == key) return label.text.empty() ? std::to_string(label.number) : label.text;
  }
  return {};
}

double scale(double mean, double period) {
  return 1 / (1 - std::exp(-mean / period));
}

TEST(LegacyHeap, JemallocEachColumnIsUnsampledWithItsOwnMeanSize) {
  const LegacyHeap heap = read(std::string("heap_v2/1000\n"
                                           "  t*: 3: 600 [10: 9000]\n"
                                           "  t0: 3: 600 [10: 9000]\n"
                                           "@ 0x500001 0x500002\n"
                                           "  t*: 1: 100 [4: 4000]\n"
                                           "  t0: 1: 100 [4: 4000]\n"
                                           "@ 0x500003\n"
                                           "  t*: 2: 500 [6: 5000]\n"
                                           "  t0: 2: 500 [6: 5000]\n") +
                               maps);
  const Profile& profile = heap.profile;
  ASSERT_EQ(profile.samples().size(), 2U);
  EXPECT_THAT(stack(profile, 0), ElementsAre(0x500001, 0x500002));
  EXPECT_THAT(values(profile, 0),
              ElementsAre(std::llround(4 * scale(1000, 1000)), std::llround(4000 * scale(1000, 1000)),
                          std::llround(1 * scale(100, 1000)), std::llround(100 * scale(100, 1000))));
  EXPECT_EQ(text_label(profile, 0, "bytes"), "100");
  EXPECT_EQ(profile.period, 1000);
  EXPECT_EQ(profile.default_type, "inuse_space");
  ASSERT_TRUE(heap.cumulative);
  EXPECT_EQ(heap.in_use.bytes, values(profile, 0)[3] + values(profile, 1)[3]);
  EXPECT_EQ(heap.cumulative->bytes, values(profile, 0)[1] + values(profile, 1)[1]);
}

TEST(LegacyHeap, JemallocWithoutCumulativeCountsSaysSo) {
  const LegacyHeap heap = read(std::string("heap_v2/1\n  t*: 1: 100 [0: 0]\n@ 0x1\n  t*: 1: 100 [0: 0]\n") + maps);
  EXPECT_FALSE(heap.cumulative);
  EXPECT_THAT(heap.profile.comments, ::testing::Contains(HasSubstr("not available")));
  EXPECT_THAT(values(heap.profile, 0), ElementsAre(0, 0, 1, 100));
  EXPECT_EQ(heap.profile.types().size(), 4U) << "a later dump must be comparable";
}

TEST(LegacyHeap, NamedThreadsAreLabelsAndAddUpToTheStack) {
  const LegacyHeap heap = read(std::string("heap_v2/524288\n"
                                           "  t*: 7: 777 [7: 777]\n"
                                           "  t0: 1: 100 [1: 100]\n"
                                           "  t1: 3: 300 [3: 300] worker\n"
                                           "  t2: 2: 277 [2: 277] worker\n"
                                           "  t3: 1: 100 [1: 100] disk io\n"
                                           "@ 0x1 0x2\n"
                                           "  t*: 7: 777 [7: 777]\n"
                                           "  t0: 1: 100 [1: 100]\n"
                                           "  t1: 3: 300 [3: 300]\n"
                                           "  t2: 2: 277 [2: 277]\n"
                                           "  t3: 1: 100 [1: 100]\n") +
                               maps);
  std::map<std::string, std::int64_t> bytes;
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < heap.profile.samples().size(); ++i) {
    bytes[text_label(heap.profile, i, "thread")] += values(heap.profile, i)[3];
    sum += values(heap.profile, i)[3];
  }
  const auto whole = static_cast<double>(std::llround(777 * scale(777.0 / 7, 524288)));
  EXPECT_EQ(sum, std::llround(whole));
  EXPECT_EQ(bytes.size(), 3U);
  // By what each thread's own row stands for: seven samples of a period each, and not by their 777 bytes.
  EXPECT_NEAR(static_cast<double>(bytes["worker"]), whole * 5 / 7, whole * 0.001);
  EXPECT_NEAR(static_cast<double>(bytes["disk io"]), whole / 7, whole * 0.001);
  EXPECT_NEAR(static_cast<double>(bytes[""]), whole / 7, whole * 0.001);
}

TEST(LegacyHeap, GperftoolsIsExactAndItsCumulativeColumnsAlwaysCount) {
  const LegacyHeap heap = read(std::string("heap profile:      3:      600 [    10:     2000] @ heapprofile\n"
                                           "     1:      100 [     2:      200] @ 0x500001 0x500002\n"
                                           "     2:      500 [     8:     1800] @ 0x500003\n") +
                               maps);
  ASSERT_TRUE(heap.cumulative);
  EXPECT_THAT(values(heap.profile, 0), ElementsAre(2, 200, 1, 100));
  EXPECT_THAT(values(heap.profile, 1), ElementsAre(8, 1800, 2, 500));
  EXPECT_EQ(heap.profile.period, 1);
  EXPECT_TRUE(read(std::string("heap profile: 1: 9 [1: 9] @ heapprofile\n1: 9 [1: 9] @ 0x1\n") + maps).cumulative)
      << "nothing was freed yet, which is not the same as not recorded";
}

TEST(LegacyHeap, TcmallocsSamples) {
  for (const char* const format : {"heap_v2/1000", "heapz_v2/1000", "heap/2000"}) {
    const LegacyHeap heap =
        read("heap profile: 1: 500 [1: 500] @ " + std::string(format) + "\n1: 500 [1: 500] @ 0x500001\n" + maps);
    EXPECT_EQ(heap.profile.period, 1000) << format;
    EXPECT_FALSE(heap.cumulative) << "a sample of live blocks repeats its columns";
    EXPECT_THAT(values(heap.profile, 0),
                ElementsAre(0, 0, std::llround(scale(500, 1000)), std::llround(500 * scale(500, 1000))))
        << format;
  }
  for (const std::string format : {"growth", "growthz"}) {
    const LegacyHeap growth =
        read("heap profile: 2: 2097152 [2: 2097152] @ " + format + "\n2: 2097152 [2: 2097152] @ 0x1\n" + maps);
    EXPECT_THAT(values(growth.profile, 0), ElementsAre(2, 2097152));
    EXPECT_EQ(growth.profile.default_type, "space");
  }
}

TEST(LegacyHeap, MappingsAreTheExecutableOnesWithAName) {
  const Profile profile = read(std::string("heap_v2/1\n  t*: 0: 0 [0: 0]\n") + maps).profile;
  ASSERT_EQ(profile.mappings.size(), 3U);
  EXPECT_EQ(profile.mappings[0].file, "/bin/my service");
  EXPECT_EQ(profile.mappings[0].start, 0x500000U);
  EXPECT_EQ(profile.mappings[0].limit, 0x600000U);
  EXPECT_EQ(profile.mappings[0].offset, 0x100000U);
  EXPECT_EQ(profile.mappings[1].file, "/lib/libjemalloc.so.2");
  EXPECT_EQ(profile.mappings[1].code_name, "[libjemalloc.so.2]");
  EXPECT_EQ(profile.mappings[2].file, "[vdso]");
}

constexpr const char* whole =
    "heap_v2/524288\n  t*: 2: 200 [2: 200]\n  t1: 2: 200 [2: 200] w\n@ 0x500001\n  t*: 2: 200 [2: 200]\n"
    "  t1: 2: 200 [2: 200]\n\nMAPPED_LIBRARIES:\n00500000-00600000 r-xp 00100000 08:01 1    /bin/service\n";

TEST(LegacyHeap, EveryTruncationThatLosesCountsIsRefusedUnlessItIsAskedFor) {
  const std::string text = whole;
  ASSERT_EQ(error_of(text), "no error");
  const std::string last_row = "  t*: 2: 200 [2: 200]\n  t1";
  const std::size_t counts = text.rfind(last_row) + last_row.size() - 5;  // without the newline
  for (std::size_t length = 0; length < text.size(); ++length) {
    const std::string cut = text.substr(0, length);
    if (length < counts) {
      EXPECT_NE(error_of(cut), "no error") << "cut at " << length;
    } else {
      const LegacyHeap heap = read(cut);
      EXPECT_EQ(heap.in_use.objects, read(text).in_use.objects) << "cut at " << length;
      const bool looks_whole = length + 1 == text.size() || text[length - 1] == '\n';
      EXPECT_TRUE(!heap.notes.empty() || looks_whole) << "cut at " << length;
    }
  }
  const std::string two_stacks = "heap profile: 3: 700 [3: 700] @ heapprofile\n2: 600 [2: 600] @ 0x1\n1: 100 [1: 1";
  EXPECT_THAT(error_of(two_stacks), HasSubstr("cut short: its stacks have 600 of 700 sampled bytes"));
  EXPECT_THAT(error_of(two_stacks), HasSubstr("--partial"));
  const LegacyHeap partial = read_as(two_stacks, {.is_partial = true});
  EXPECT_EQ(partial.in_use.bytes, 600);
  EXPECT_THAT(partial.profile.comments, ::testing::Contains(HasSubstr("partial: the text is cut short at line 3")));
}

TEST(LegacyHeap, NamesTheLineAndWhatIsWrong) {
  const auto expect = [](const std::string& text, const std::string& message) {
    EXPECT_THAT(error_of(text), HasSubstr(message)) << text.substr(0, 100);
  };
  expect("", "line 1: an empty file");
  expect(
      "\x7f"
      "ELF\n",
      "line 1: neither");
  expect(std::string(std::size_t{3} << 20, 'x'), "line 1: a line of more than 1 MiB");
  expect("heap_v2/\n", "line 1: no sampling period");
  expect("heap_v2/1\nnonsense\n", "line 2: not the totals");
  expect("heap_v2/1\n  t*: 1: 2 [3: 4]\n1: 2 [3: 4] @ 0x1\n", "line 3: neither a stack");
  expect("heap_v2/1\n  t*: 1: 2 [3: 4]\n@ 0x1 1x2\n", "line 3: not an address");
  expect("heap_v2/1\n  t*: 1: 2 [3: 4]\n@ 0x1\n  t*: 1.5: 2 [3: 4]\n", "line 4: not the counts");
  expect("heap_v2/1\n  t*: 1: 2 [3: 4]\n@ 0x1\n@ 0x2\n  t*: 1: 2 [3: 4]\n", "line 4: not the counts");
  expect("heap_v2/1\n  t*: 1: 2 [3: 4]\n@ 0x1\n  t*: 99999999999999999999: 2 [3: 4]\n", "line 4: not the counts");
  expect("heap profile: 1: 2 [3: 4] @ contention\n", "line 1: an unknown format");
  expect("heap profile: 1: 2 [3: 4] @ heapprofile\n1: 2 [3: 4] 0x1\n", "line 2: counts without a stack");
}

TEST(LegacyHeap, CountsThatDoNotFitAreRefusedAndNotWrapped) {
  EXPECT_THAT(error_of(std::string("heap_v2/524288\n  t*: 1: 1 [0: 0]\n@ 0x1\n"
                                   "  t*: 9000000000000000000: 9000000000000000000 [0: 0]\n") +
                       maps),
              HasSubstr("too large"));
  std::string text = "heap profile: 1: 2 [3: 4] @ heapprofile\n";
  for (int i = 0; i < 3; ++i) text += "1: 9000000000000000000 [1: 9000000000000000000] @ 0x1\n";
  EXPECT_THAT(error_of(text + maps), HasSubstr("too large"));
}

TEST(LegacyHeap, MemoryIsBounded) {
  std::string text = "heap profile: 1: 2 [3: 4] @ heapprofile\n";
  for (int i = 0; i < 1000; ++i) text += "1: 9 [1: 9] @ 0x1 0x2 0x3\n";
  EXPECT_THAT(error_of(text + maps, {.profile_bytes = 10'000}), HasSubstr("MiB of stacks"));
}

// gperftools cuts its text to a buffer of 1 MiB.
TEST(LegacyHeap, SaysThatStacksAreMissing) {
  const std::string head = "heap profile: 3: 700 [3: 700] @ heapprofile\n";
  const std::string stacks = "2: 600 [2: 600] @ 0x500001\n";
  EXPECT_THAT(read(head + stacks + maps).profile.comments, ::testing::Contains(HasSubstr("600 of 700 bytes")));
  EXPECT_THAT(read(head + stacks + "1: 100 [1: 100] @ 0x500002\n" + maps).profile.comments,
              ::testing::Not(::testing::Contains(HasSubstr("incomplete"))));
}

}  // namespace
}  // namespace plateau
