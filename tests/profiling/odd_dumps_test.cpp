// Protects the rule for dumps as people have them: what can be understood is read, what was odd is noted, and a figure
// that would be wrong is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "profiling/legacy_heap.hpp"

namespace plateau {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::int64_t period = 524288;

const std::string stacks =
    "heap_v2/524288\n"
    "  t*: 3: 1572864 [0: 0]\n"
    "  t0: 1: 524288 [0: 0]\n"
    "  t1: 2: 1048576 [0: 0] worker\n"
    "@ 0x401136 0x401200\n"
    "  t*: 2: 1048576 [0: 0]\n"
    "  t0: 1: 524288 [0: 0]\n"
    "  t1: 1: 524288 [0: 0]\n"
    "@ 0x401300 0x401200\n"
    "  t*: 1: 524288 [0: 0]\n"
    "  t1: 1: 524288 [0: 0]\n";
const std::string mappings = "\nMAPPED_LIBRARIES:\n00401000-00402000 r-xp 00001000 08:01 1    /srv/orderd\n";
const std::string exact =
    "heap profile:      3:      600 [    10:     2000] @ heapprofile\n"
    "     1:      100 [     2:      200] @ 0x00401136 0x00401200\n"
    "     2:      500 [     8:     1800] @ 0x00401300\n";

LegacyHeap read(const std::string& text, const LegacyHeapOptions& options = {}) {
  std::istringstream in(text);
  return read_legacy_heap(in, options);
}

std::string error_of(const std::string& text) {
  try {
    read(text);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no error";
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// In-use bytes by thread and stack, as one text.
std::string content(const Profile& profile) {
  std::ostringstream out;
  for (const Profile::Sample& sample : profile.samples()) {
    for (const std::uint64_t address : profile.stack(sample)) {
      const NamedFrame* const named = profile.frame(address);
      named != nullptr ? out << named->name << ' ' : out << std::hex << address << std::dec << ' ';
    }
    for (const ProfileLabel& label : profile.labels(sample))
      out << label.key << '=' << label.text << label.number << ' ';
    out << profile.values(sample)[3] << '\n';
  }
  for (const Mapping& mapping : profile.mappings) out << mapping.file << ' ' << mapping.start << '\n';
  return out.str();
}

std::vector<std::string> names(const Profile& profile, std::size_t index) {
  std::vector<std::string> result;
  for (const std::uint64_t address : profile.stack(profile.samples().at(index))) {
    const NamedFrame* const named = profile.frame(address);
    result.push_back(named != nullptr ? named->name : "");
  }
  return result;
}

std::map<std::string, std::int64_t> bytes_by_thread(const Profile& profile) {
  std::map<std::string, std::int64_t> bytes;
  for (const Profile::Sample& sample : profile.samples()) {
    std::string thread;
    for (const ProfileLabel& label : profile.labels(sample)) {
      if (label.key == "thread") thread = label.text;
    }
    bytes[thread] += profile.values(sample)[3];
  }
  return bytes;
}

TEST(OddDump, IsTheSameBehindATerminal) {
  for (const std::string& dump : {stacks + mappings, exact + mappings}) {
    const std::string plain = content(read(dump).profile);
    EXPECT_EQ(content(read(replaced(dump, "\n", "\r\n")).profile), plain);
    EXPECT_EQ(content(read(replaced(dump, "\n", "\r\r\n")).profile), plain);
    EXPECT_EQ(content(read("\xef\xbb\xbf" + dump).profile), plain);
    EXPECT_EQ(content(read("\x1b[?2004l\r" + dump).profile), plain);
    EXPECT_EQ(content(read("    " + replaced(dump, "\n", "\n    ")).profile), plain);
    EXPECT_EQ(content(read(replaced(dump, "\n", " \n")).profile), content(read(dump).profile));
    EXPECT_THAT(read(replaced(dump, "\n", "\r\n")).notes, IsEmpty());
  }
}

TEST(OddDump, LinesThatAreNoPartOfItAreSkippedAndNoted) {
  const std::string plain = content(read(stacks + mappings).profile);
  const LegacyHeap before =
      read("Defaulted container \"app\" out of: app, sidecar\r\n<jemalloc>: Leak approximation summary\n" + stacks +
           mappings);
  EXPECT_EQ(content(before.profile), plain);
  EXPECT_THAT(before.notes, ElementsAre(HasSubstr("2 lines before the dump")));
  EXPECT_THAT(before.profile.comments, Contains(HasSubstr("2 lines before the dump")));
  const LegacyHeap within = read(replaced(stacks, "@ 0x401300", "[warn] a slow query\n@ 0x401300") + mappings);
  EXPECT_EQ(content(within.profile), plain);
  EXPECT_THAT(within.notes, ElementsAre(HasSubstr("1 lines are no part")));
  EXPECT_THAT(error_of(replaced(stacks, "0x401300 ", "0x401300 [warn] ")), HasSubstr("not an address"))
      << "what is left of a stack would be another one";
  EXPECT_THAT(error_of("app-1 | " + replaced(stacks, "\n", "\napp-1 | ")), HasSubstr("line 1 has \"app-1 | \" before"));
}

TEST(OddDump, NeedsNoMappings) {
  for (const std::string& dump : {stacks, exact}) {
    const LegacyHeap heap = read(dump);
    EXPECT_THAT(heap.notes, ElementsAre(HasSubstr("no MAPPED_LIBRARIES")));
    EXPECT_EQ(heap.in_use.bytes, read(dump + mappings).in_use.bytes);
    EXPECT_EQ(read(dump.substr(0, dump.size() - 1)).in_use.bytes, heap.in_use.bytes) << "nor a last newline";
    EXPECT_THAT(error_of(dump.substr(0, dump.rfind('@') - 1)), HasSubstr("cut short")) << "but all of its stacks";
  }
  EXPECT_EQ(read("heap profile: 2: 20 [2: 20] @ growth\n2: 20 [2: 20] @ 0x1\n").profile.types().size(), 2U);
  EXPECT_THAT(read("heap_v2/524288\n  t*: 0: 0 [0: 0]\n").profile.samples(), IsEmpty());
}

// jemalloc since 5.3 rounds every row by itself, so that stacks do not add up to the row of all.
TEST(OddDump, WithoutMappingsItsTotalsMayBeRoundedEachByItself) {
  const std::string rounded =
      "heap_v2/524288\n  t*: 5: 1027 [0: 0]\n@ 0x401136\n  t*: 3: 702 [0: 0]\n@ 0x401137\n  t*: 2: 300 [0: 0]\n";
  EXPECT_EQ(error_of(rounded), "no error");
}

TEST(OddDump, MappingsOfOtherWriters) {
  const auto mapping = [](const std::string& section) {
    const std::vector<Mapping> all = read(exact + section).profile.mappings;
    return all.size() == 1 ? all[0] : Mapping{};
  };
  const Mapping brief = mapping("\n--- Memory map: ---\n  build=/srv/builds\n  00401000-00402000: $build/orderd\n");
  EXPECT_EQ(brief.file, "/srv/builds/orderd");
  EXPECT_EQ(brief.start, 0x401000U);
  EXPECT_EQ(brief.limit, 0x402000U);
  const Mapping with_id = mapping("--- Memory map:\n 0x401000-0x402000 /srv/my orderd (@1000) abc123\n");
  EXPECT_EQ(with_id.file, "/srv/my orderd");
  EXPECT_EQ(with_id.offset, 0x1000U);
  EXPECT_EQ(with_id.build_id, "abc123");
  EXPECT_EQ(mapping("MAPPED_LIBRARIES:\n00401000-00402000 r-xp /srv/orderd\n00403000-00404000 rw-p /srv/orderd\n").file,
            "/srv/orderd");
  EXPECT_EQ(
      mapping("MAPPED_LIBRARIES:\nnonsense\n  00401000-00402000 r-xp 00001000 08:01 1  /srv/orderd (deleted)\n").file,
      "/srv/orderd");
}

TEST(OddDump, SymbolsInTheTextNeedNoBinary) {
  const std::string symbols =
      "--- symbol\nbinary=/srv/orderd\n"
      "0x0000000000401135 orders::Book::add(int)--std::vector<int>::push_back\n"
      "0x4011ff _ZN6orders4mainEv\n"
      "0x00000000004012ff 0x4012ff\n---\n";
  for (const std::string& text : {symbols + "--- heap\n" + stacks + mappings, stacks + mappings + symbols,
                                  replaced(symbols + "--- heap\n" + stacks, "\n", "\r\n")}) {
    const Profile profile = read(text).profile;
    EXPECT_THAT(names(profile, 0), ElementsAre("std::vector::push_back", "orders::Book::add", "orders::main"));
    EXPECT_THAT(names(profile, profile.samples().size() - 1), ElementsAre("", "orders::main"))
        << "an address for a name is none";
  }
  EXPECT_THAT(names(read(symbols + stacks, {.names = NameStyle::full}).profile, 0),
              ElementsAre("std::vector<int>::push_back", "orders::Book::add(int)", "orders::main()"));
  EXPECT_THAT(names(read(replaced(symbols, "401135", "401136") + stacks).profile, 0).size(), 3U)
      << "jeprof does not move the leaf";
}

TEST(OddDump, GosCommentsAreItsSymbols) {
  const Profile profile = read(
                              "heap profile: 3: 30 [4: 40] @ heap/2\n"
                              "1: 10 [2: 20] @ 0x410a11 0x410b22\n"
                              "#\t0x410a10\tmain.inlined+0x20\t\t/srv/main.go:10\n"
                              "#\t0x410a10\tmain.fill+0x20\t\t/srv/main.go:20\n"
                              "#\t0x410b21\tmain.main+0x10\t/srv/main.go:30\n\n"
                              "2: 20 [2: 20] @ 0x410a11\n"
                              "#\t0x410a10\tmain.inlined+0x20\t\t/srv/main.go:10\n"
                              "#\t0x410a10\tmain.fill+0x20\t\t/srv/main.go:20\n\n"
                              "# runtime.MemStats\n# Alloc = 30\n")
                              .profile;
  EXPECT_THAT(names(profile, 0), ElementsAre("main.inlined", "main.fill", "main.main"));
  EXPECT_THAT(names(profile, 1), ElementsAre("main.inlined", "main.fill"));
  const NamedFrame* const frame = profile.frame(profile.stack(profile.samples()[0])[1]);
  EXPECT_EQ(frame->file, "/srv/main.go");
  EXPECT_EQ(frame->line, 20);
}

std::string one_stack(const std::string& row) {
  return "heap_v2/524288\n  t*: " + row + "\n@ 0x401136\n  t*: " + row + "\n" + mappings;
}

TEST(OddDump, CountsWithoutASizeAreTakenAsTheyAre) {
  const auto in_use = [](const std::string& row) {
    const LegacyHeap heap = read(one_stack(row));
    return std::pair(heap.in_use.objects, heap.in_use.bytes);
  };
  EXPECT_EQ(in_use("0: 64 [0: 0]"), std::pair(std::int64_t{0}, std::int64_t{64}));
  EXPECT_EQ(in_use("-1: 64 [0: 0]"), std::pair(std::int64_t{-1}, std::int64_t{64}));
  EXPECT_EQ(in_use("3: 0 [0: 0]"), std::pair(std::int64_t{3}, std::int64_t{0}));
  const auto positive = in_use("1: 64 [0: 0]");
  const auto negative = std::pair(-positive.first, -positive.second);
  EXPECT_EQ(in_use("-1: -64 [0: 0]"), negative);
  EXPECT_EQ(in_use("18446744073709551615: 18446744073709551552 [0: 0]"), negative) << "printed as unsigned";
  EXPECT_THAT(read(one_stack("0: 64 [0: 0]")).notes, ElementsAre(HasSubstr("bytes without objects")));
  EXPECT_THAT(read(one_stack("-1: -64 [0: 0]")).notes, ElementsAre(HasSubstr("below 0")));
  EXPECT_THAT(error_of(one_stack("-9223372036854775808: 1 [0: 0]")), HasSubstr("not the totals"));
}

TEST(OddDump, ZerosThatMeanNotRecordedAreNotFigures) {
  const LegacyHeap heap = read("heap profile: 1: 524288 [0: 0] @ heap_v2/524288\n1: 524288 [0: 0] @ 0x1\n" + mappings);
  EXPECT_FALSE(heap.cumulative);
  EXPECT_THAT(heap.profile.comments, Contains(HasSubstr("not available")));
}

TEST(OddDump, APeriodOf0) {
  const std::string header = "heap profile: 0: 0 [0: 0] @ ";
  EXPECT_THAT(error_of(header + "heap_v2/0\n" + mappings), HasSubstr("TCMALLOC_SAMPLE_PARAMETER=524288"));
  EXPECT_THAT(error_of(header + "heap/0\n"), HasSubstr("MemProfileRate"));
  for (const std::string& text : {"heap profile: 1: 100 [1: 100] @ heap_v2/0\n1: 100 [1: 100] @ 0x1\n" + mappings,
                                  "heap profile: 1: 100 [1: 100] @ heap_v2\n1: 100 [1: 100] @ 0x1\n" + mappings,
                                  replaced(one_stack("1: 100 [0: 0]"), "heap_v2/524288", "heap_v2/0")}) {
    const LegacyHeap heap = read(text);
    EXPECT_EQ(heap.in_use.bytes, 100);
    EXPECT_THAT(heap.notes, ElementsAre(HasSubstr("not scaled")));
  }
}

TEST(OddDump, AnotherOneBehindItIsNotAdded) {
  for (const std::string& first : {stacks + mappings, stacks}) {
    const LegacyHeap heap = read(first + stacks + mappings);
    EXPECT_EQ(heap.in_use.bytes, read(stacks + mappings).in_use.bytes);
    EXPECT_THAT(heap.notes, Contains(HasSubstr("another dump begins on line")));
  }
  EXPECT_THAT(error_of(stacks.substr(0, stacks.rfind('@')) + stacks + mappings), HasSubstr("cut short"));
}

// A dump of jemalloc 5.3, whose rows are rounded each by itself: a thread has more than all threads.
TEST(NamedThread, MayHaveMoreThanTheStack) {
  const std::string text =
      "heap_v2/524288\n  t*: 3: 702 [0: 0]\n  t0: 0: 0 [0: 0] main\n  t1: 1: 64 [0: 0] worker-a\n"
      "  t2: 1: 1048576 [0: 0] worker-b\n@ 0x401136 0x401200\n  t*: 3: 702 [0: 0]\n  t1: 1: 64 [0: 0]\n"
      "  t2: 1: 1048576 [0: 0]\n" +
      mappings;
  const LegacyHeap heap = read(text);
  auto bytes = bytes_by_thread(heap.profile);
  const auto whole = static_cast<double>(unsampled({3, 702}, period).bytes);
  const auto a = static_cast<double>(unsampled({1, 64}, period).bytes);
  const auto b = static_cast<double>(unsampled({1, 1048576}, period).bytes);
  EXPECT_NEAR(static_cast<double>(bytes["worker-a"]), whole * a / (a + b), 1);
  EXPECT_NEAR(static_cast<double>(bytes["worker-b"]), whole * b / (a + b), 1);
  EXPECT_EQ(bytes.size(), 2U) << "nothing is left for no thread";
  EXPECT_EQ(static_cast<double>(heap.in_use.bytes), whole) << "as jeprof has it";
}

TEST(NamedThread, RowsThatAreNotAllLeaveTheRestToNoThread) {
  auto bytes =
      bytes_by_thread(read("heap_v2/1\n  t*: 10: 1000 [0: 0]\n  t1: 1: 100 [0: 0] w\n@ 0x1\n  t*: 10: 1000 [0: 0]\n"
                           "  t1: 1: 100 [0: 0]\n" +
                           mappings)
                          .profile);
  EXPECT_EQ(bytes["w"] + bytes[""], 1000);
  EXPECT_GE(bytes[""], 800);
}

TEST(NamedThread, NamesAreAnyBytes) {
  const auto with_name = [](const std::string& name) {
    return read("heap_v2/1\n  t*: 1: 100 [0: 0]\n  t1: 1: 100 [0: 0] " + name + "\n  t2: 0: 0 [0: 0] other\n@ 0x1\n" +
                "  t*: 1: 100 [0: 0]\n  t1: 1: 100 [0: 0]\n" + mappings);
  };
  for (const std::string name : {"fetch\ner 1", "a\nb\nc", "1: 2 [3: 4]", "Z\xfcrich", "MAPPED", "a: [", "12"}) {
    const LegacyHeap heap = with_name(name);
    EXPECT_EQ(bytes_by_thread(heap.profile)[name], 100) << name;
    EXPECT_THAT(heap.notes, IsEmpty()) << name;
  }
}

TEST(OtherProfile, IsCalledByItsName) {
  const auto expect = [](const std::string& text, const std::string& name) {
    EXPECT_THAT(error_of(text), HasSubstr(name)) << text;
  };
  expect("--- contention:\ncycles/second = 2400000000\n", "a contention profile");
  expect("--- heapz 1 ---\nformat = java\nresolution = bytes\n", "a heap profile of Java");
  expect("goroutine profile: total 12\n1 @ 0x1\n", "a goroutine profile of Go");
  expect(std::string("\0\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\x27\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 40),
         "a CPU profile");
  expect("# 3 stacks; columns: inuse_space/bytes\n", "debug=1");
  expect("JAVA PROFILE 1.0.2", "a heap dump of Java");
  expect("<!DOCTYPE html><html>", "HTML");
  expect("main;serve;encode 42\n", "collapsed stacks");
  expect("___ Begin jemalloc statistics ___\n", "jemalloc's statistics");
  expect("--- symbol\n0x1 a\n---\n--- contention\n", "not a heap profile");
}

}  // namespace
}  // namespace plateau
