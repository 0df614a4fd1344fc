// Protects the converter as users meet it: its totals are those of jeprof and pprof, pprof needs no binary, and broken
// input gets one line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <zlib.h>
#include <zstd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/property_tree/xml_parser.hpp>

#include "tests/profiling/known_leaks.hpp"

namespace plateau::testing {
namespace {

using ::testing::Contains;
using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

Finished heap2pprof(const std::vector<std::string>& arguments) {
  return run(HEAP2PPROF, arguments);
}

Finished shell(const std::string& command) {
  return run("/bin/sh", {"-c", command});
}

// The number after `before`; -1 when it is not there.
double number_after(const std::string& text, std::string_view before) {
  const std::size_t at = text.find(before);
  return at == std::string::npos ? -1 : std::strtod(text.c_str() + at + before.size(), nullptr);
}

double pprof_total(const std::vector<std::string>& arguments) {
  std::vector<std::string> words{"-top", "-unit=B", "-nodefraction=0", "-symbolize=none"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  const Finished finished = run(PPROF, words);
  EXPECT_EQ(finished.status, 0) << finished.error;
  return number_after(finished.out, "% of ");
}

TEST(Totals, AreThoseOfJeprof) {
  Leaks leaks;
  run_known_leaks(leaks, "jemalloc", 16);
  const ReadProfile profile = converted(leaks.after, leaks.folder / "after.pb.gz");
  const auto rounding = static_cast<double>(profile.samples.size());  // at most 1 a sample
  for (const std::string type : {"inuse_space", "alloc_space", "inuse_objects", "alloc_objects"}) {
    const Finished jeprof = run("/usr/bin/jeprof", {"--text", "--show_bytes", "--" + type, leaks.program, leaks.after});
    ASSERT_EQ(jeprof.status, 0) << jeprof.error;
    const auto ours = static_cast<double>(profile.total(type));
    EXPECT_GT(ours, 0);
    EXPECT_NEAR(ours, number_after(jeprof.out, "Total: "), rounding) << type;
    EXPECT_EQ(ours, pprof_total({"-sample_index=" + type, leaks.folder / "after.pb.gz"})) << type;
  }
}

TEST(Totals, AreThoseOfPprofOnGperftoolsText) {
  Leaks leaks;
  run_known_leaks(leaks, "tcmalloc");
  const ReadProfile profile = converted(leaks.after, leaks.folder / "after.pb.gz");
  for (const std::string type : {"inuse_space", "alloc_space", "inuse_objects", "alloc_objects"}) {
    EXPECT_EQ(static_cast<double>(profile.total(type)), pprof_total({"-sample_index=" + type, leaks.after})) << type;
  }
}

class Leaking : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { run_known_leaks(leaks_, GetParam(), 12); }
  Leaks leaks_;
};

TEST_P(Leaking, PprofNamesFunctionsAndLinesWithTheBinaryMovedAway) {
  const std::string output = leaks_.folder / "after.pb.gz";
  ASSERT_EQ(heap2pprof({leaks_.after, "-o", output}).status, 0);
  std::filesystem::remove(leaks_.program);
  const Finished top = run(PPROF, {"-top", "-cum", "-lines", output});
  EXPECT_EQ(top.status, 0) << top.error;
  for (const std::string function : {"leak_small", "leak_large", "leak_mixed"}) {
    EXPECT_THAT(top.out, ContainsRegex(function + " .*known_leaks.cpp:[1-9]"));
  }
  EXPECT_THAT(top.out, Not(HasSubstr("malloc.so"))) << "the allocator's own frames are hidden";
}

TEST_P(Leaking, BaseLeavesWhatChanged) {
  const std::string after = leaks_.folder / "after.pb.gz";
  ASSERT_EQ(heap2pprof({leaks_.after, "--base", leaks_.before, "-o", after}).status, 0);
  const ReadProfile change = read_pprof(read_text(after));
  const ReadProfile before = converted(leaks_.before, leaks_.folder / "before.pb.gz");
  const ReadProfile whole = converted(leaks_.after, leaks_.folder / "whole.pb.gz");
  EXPECT_EQ(change.total("inuse_space"), whole.total("inuse_space") - before.total("inuse_space"));
  const Finished same = heap2pprof({leaks_.after, "--base", leaks_.after, "--top"});
  EXPECT_THAT(same.out, HasSubstr("0 of 0 functions, 0B in total"));
}

TEST_P(Leaking, TopAndFlameShowTheLeaks) {
  for (const std::string extension : {"svg", "html"}) {
    const std::string flame = leaks_.folder / ("flame." + extension);
    const Finished finished = heap2pprof({leaks_.after, "--top", "--flame", flame});
    ASSERT_EQ(finished.status, 0) << finished.error;
    EXPECT_THAT(finished.out, HasSubstr("leak_mixed"));
    EXPECT_THAT(finished.out, HasSubstr("inuse_space: Showing "));
    EXPECT_THAT(read_text(flame), HasSubstr("leak_large"));
  }
  std::ifstream svg(leaks_.folder / "flame.svg");
  boost::property_tree::ptree tree;
  EXPECT_NO_THROW(boost::property_tree::read_xml(svg, tree)) << "browsers refuse SVG that is not well-formed";
  EXPECT_FALSE(std::filesystem::exists(leaks_.folder / "after.pb.gz")) << "a look writes no profile";
}

INSTANTIATE_TEST_SUITE_P(All, Leaking, ::testing::Values("jemalloc", "tcmalloc"),
                         [](const auto& test) { return std::string(test.param); });

TEST(Heap2pprof, ReadsStandardInputAndGzip) {
  Leaks leaks;
  run_known_leaks(leaks, "jemalloc", 16);
  const std::string program = HEAP2PPROF;
  ASSERT_EQ(heap2pprof({leaks.after, "-o", leaks.folder / "1"}).status, 0);
  ASSERT_EQ(shell("cat " + leaks.after + " | " + program + " > " + leaks.folder / "2").status, 0);
  ASSERT_EQ(shell("gzip -c " + leaks.after + " | " + program + " - -o " + leaks.folder / "3").status, 0);
  EXPECT_EQ(read_text(leaks.folder / "1"), read_text(leaks.folder / "2"));
  EXPECT_EQ(read_text(leaks.folder / "1"), read_text(leaks.folder / "3"));

  ASSERT_EQ(heap2pprof({leaks.before, leaks.after}).status, 0);
  EXPECT_TRUE(std::filesystem::exists(leaks.folder / "before.pb.gz"));
  EXPECT_EQ(read_text(leaks.folder / "after.pb.gz"), read_text(leaks.folder / "1"));
}

TEST(Heap2pprof, TheProgramMayBeElsewhere) {
  Leaks leaks;
  run_known_leaks(leaks, "tcmalloc");
  const std::string moved = leaks.folder / "moved";
  std::filesystem::rename(leaks.program, moved);
  EXPECT_THAT(heap2pprof({leaks.after, "--top"}).out, Not(HasSubstr("leak_large")));
  EXPECT_THAT(heap2pprof({leaks.after, "--top", "--binary", moved}).out, HasSubstr("leak_large"));
}

TEST(Heap2pprof, ReadsZstandard) {
  Leaks leaks;
  run_known_leaks(leaks, "jemalloc", 16);
  const std::string plain = leaks.folder / "plain";
  ASSERT_EQ(heap2pprof({leaks.after, "-o", plain}).status, 0);
  const std::string text = read_text(leaks.after);
  std::string compressed;
  for (const std::string& frame : {text.substr(0, 1000), text.substr(1000)}) {  // of two frames
    std::string one(ZSTD_compressBound(frame.size()), '\0');
    one.resize(ZSTD_compress(one.data(), one.size(), frame.data(), frame.size(), 3));
    compressed += one;
  }
  const std::string file = leaks.folder / "after.zst";
  std::ofstream(file, std::ios::binary) << compressed;
  ASSERT_EQ(heap2pprof({file, "-o", leaks.folder / "unpacked"}).status, 0);
  EXPECT_EQ(read_text(leaks.folder / "unpacked"), read_text(plain));
  std::ofstream(file, std::ios::binary) << compressed.substr(0, 100);  // in the first frame
  const Finished cut = heap2pprof({file, "-o", leaks.folder / "cut"});
  EXPECT_EQ(cut.status, 2);
  EXPECT_THAT(cut.error, HasSubstr("cut short"));
}

constexpr const char* two_stacks =
    "heap profile: 3: 700 [3: 700] @ heapprofile\n2: 600 [2: 600] @ 0x401136\n1: 100 [1: 100] @ 0x401300\n";

TEST(Heap2pprof, WhatWasOddIsOneLineAndAComment) {
  const ScratchFolder folder;
  const std::string file = folder / "odd.heap";
  std::ofstream(file) << "Defaulted container \"app\"\r\n" << two_stacks;
  const Finished finished = heap2pprof({file, "-o", folder / "odd.pb.gz"});
  EXPECT_EQ(finished.status, 0);
  EXPECT_THAT(finished.error, HasSubstr("1 lines before the dump"));
  EXPECT_THAT(finished.error, HasSubstr("no MAPPED_LIBRARIES"));
  EXPECT_EQ(finished.error.find('\n'), finished.error.size() - 1) << finished.error;
  EXPECT_THAT(read_pprof(read_text(folder / "odd.pb.gz")).comments, Contains(HasSubstr("no MAPPED_LIBRARIES")));
  EXPECT_THAT(heap2pprof({file, "--top"}).out, HasSubstr("0x401135")) << "an address for a name";
}

TEST(Heap2pprof, ACutDumpIsReadWhenItIsAskedFor) {
  const ScratchFolder folder;
  const std::string file = folder / "cut.heap";
  std::ofstream(file) << std::string(two_stacks).substr(0, std::string(two_stacks).size() - 20);
  const Finished refused = heap2pprof({file, "--top"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.error, HasSubstr("--partial"));
  const Finished partial = heap2pprof({file, "--top", "--partial"});
  EXPECT_EQ(partial.status, 0);
  EXPECT_THAT(partial.out, HasSubstr("600B in total"));
  EXPECT_THAT(partial.error, HasSubstr("its stacks have 600 of 700"));
}

TEST_P(Leaking, AWrittenProfileIsReadAsTheDumpIs) {
  const std::string before = leaks_.folder / "before.pb.gz";
  const std::string after = leaks_.folder / "after.pb.gz";
  const std::string unpacked = leaks_.folder / "after.pb";
  ASSERT_EQ(heap2pprof({leaks_.before, leaks_.after}).status, 0);
  ASSERT_EQ(shell("gzip -dc " + after + " > " + unpacked).status, 0);
  const std::string top = heap2pprof({leaks_.after, "--top"}).out;
  EXPECT_EQ(heap2pprof({after, "--top"}).out, top);
  EXPECT_EQ(heap2pprof({unpacked, "--top"}).out, top);
  EXPECT_EQ(heap2pprof({after, "--flame", leaks_.folder / "flame.svg"}).status, 0);
  const std::string change = heap2pprof({leaks_.after, "--base", leaks_.before, "--top"}).out;
  EXPECT_EQ(heap2pprof({after, "--base", before, "--top"}).out, change);
  EXPECT_EQ(heap2pprof({after, "--base", leaks_.before, "--top"}).out, change) << "a dump has addresses";
  EXPECT_EQ(heap2pprof({leaks_.after, "--base", before, "--top"}).out, change);
}

std::string gzip_member(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY);
  std::string result(deflateBound(&stream, static_cast<uLong>(text.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  deflate(&stream, Z_FINISH);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

// Ten gigabytes in some megabytes: members of a gzip file follow one another.
std::string bomb(const std::string& begin, const std::string& line) {
  std::string block;
  while (block.size() < 10'000'000) block += line;
  const std::string member = gzip_member(block);
  std::string file = begin.empty() ? "" : gzip_member(begin);
  for (int i = 0; i < 1'000; ++i) file += member;
  return file;
}

constexpr const char* exact_header = "heap profile: 1: 1 [1: 1] @ heapprofile\n";

struct BadInput {
  const char* name;
  std::function<std::string()> content;  // some take a while to make: not when tests are only listed
  std::string message;
};

void PrintTo(const BadInput& input, std::ostream* out) {
  *out << input.name;
}

class Bad : public ::testing::TestWithParam<BadInput> {};

TEST_P(Bad, GetsOneLineAStatusAndBoundedMemory) {
  const ScratchFolder folder;
  std::ofstream(folder / "bad.heap", std::ios::binary) << GetParam().content();
  const std::string program = HEAP2PPROF;
  const Finished finished = shell("ulimit -v 1000000; exec " + program + " " + folder / "bad.heap");
  EXPECT_EQ(finished.status, 2);
  EXPECT_THAT(finished.error, HasSubstr(GetParam().message));
  EXPECT_THAT(finished.error, EndsWith("\n"));
  EXPECT_EQ(finished.error.find('\n'), finished.error.size() - 1) << finished.error;
  EXPECT_FALSE(std::filesystem::exists(folder / "bad.pb.gz"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1) << "nothing unfinished is left";
}

INSTANTIATE_TEST_SUITE_P(
    Inputs, Bad,
    ::testing::Values(
        BadInput{"empty", [] { return std::string(); }, "an empty file"},
        BadInput{"binary", [] { return read_text("/proc/self/exe").substr(0, 5'000'000); }, "neither"},
        BadInput{"one_endless_line", [] { return std::string(5'000'000, 'x'); }, "a line of more than 1 MiB"},
        BadInput{"truncated", [] { return std::string("heap_v2/524288\n  t*: 1: 2 [3: 4]\n@ 0x1 0x"); }, "cut short"},
        BadInput{"truncated_gzip", [] { return gzip_member("heap_v2/524288\n  t*: 1: 2 [3: 4]\n").substr(0, 30); },
                 "bad.heap"},
        BadInput{"broken_gzip", [] { return "\x1f\x8b\x08" + std::string(100, 'x'); }, "gzip"},
        BadInput{"huge_counts",
                 [] {
                   return std::string(
                       "heap_v2/524288\n  t*: 1: 2 [3: 4]\n@ 0x1\n"
                       "  t*: 9000000000000000000: 9000000000000000000 [0: 0]\n\n");
                 },
                 "too large"},
        BadInput{"bomb_of_one_line", [] { return bomb({}, std::string(1'000, '\0')); }, "a line of more than 1 MiB"},
        BadInput{"bomb_of_stacks", [] { return bomb(exact_header, "1: 1 [1: 1] @ 0x1 0x2 0x3 0x4\n"); },
                 "MiB of stacks"},
        BadInput{"bomb_of_empty_stacks", [] { return bomb(exact_header, "1: 1 [1: 1] @\n"); }, "MiB of stacks"}),
    [](const auto& test) { return std::string(test.param.name); });

constexpr const char* small_dump =
    "heap_v2/524288\n  t*: 1: 1000 [0: 0]\n@ 0x401000\n  t*: 1: 1000 [0: 0]\n\nMAPPED_LIBRARIES:\n"
    "00400000-00500000 r-xp 00000000 08:01 1 /bin/true\n";

class Output : public ::testing::Test {
 protected:
  Output() { std::ofstream(folder_ / "a.heap") << small_dump; }
  ScratchFolder folder_;
};

TEST_F(Output, ToADeviceLeavesTheDevice) {
  const std::string node = folder_ / "null";  // never the machine's own
  if (::mknod(node.c_str(), S_IFCHR | 0666, ::makedev(1, 3)) != 0) GTEST_SKIP() << "mknod: needs root";
  const Finished finished = heap2pprof({"-o", node, folder_ / "a.heap"});
  if (finished.error.find("Permission denied") != std::string::npos) {
    GTEST_SKIP() << "no device can be opened there: " << finished.error;
  }
  EXPECT_EQ(finished.status, 0) << finished.error;
  EXPECT_TRUE(std::filesystem::is_character_file(node));
}

TEST_F(Output, ToAPipeOrADescriptorGoesThere) {
  const std::string convert = std::string(HEAP2PPROF) + " " + folder_ / "a.heap" + " ";
  ASSERT_EQ(shell(convert + "-o " + folder_ / "file").status, 0);
  const std::string profile = read_text(folder_ / "file");
  EXPECT_EQ(shell("{ echo before; " + convert + "-o /dev/stdout; echo after; } > " + folder_ / "all").status, 0);
  EXPECT_EQ(read_text(folder_ / "all"), "before\n" + profile + "after\n");
  const std::string pipe = folder_ / "pipe";
  shell("mkfifo " + pipe + "; cat " + pipe + " > " + folder_ / "copy & " + convert + "-o " + pipe + "; wait");
  EXPECT_EQ(read_text(folder_ / "copy"), profile);
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
}

TEST_F(Output, OnAFullDiskTheOldFileStays) {
  std::ofstream(folder_ / "out") << "old";
  const std::string program = HEAP2PPROF;
  const Finished finished =
      shell("trap '' XFSZ; ulimit -f 0; exec " + program + " " + folder_ / "a.heap" + " -o " + folder_ / "out");
  EXPECT_EQ(finished.status, 2);
  EXPECT_EQ(read_text(folder_ / "out"), "old");
  const auto files = std::distance(std::filesystem::directory_iterator(folder_.path()), {});
  EXPECT_EQ(files, 2) << "and nothing unfinished";
}

TEST(Heap2pprof, SaysWhatIsWrongWithTheCommandLine) {
  const ScratchFolder folder;
  const auto expect = [](const std::vector<std::string>& arguments, const std::string& message) {
    const Finished finished = heap2pprof(arguments);
    EXPECT_EQ(finished.status, 2);
    EXPECT_THAT(finished.error, HasSubstr(message));
    EXPECT_EQ(finished.error.find('\n'), finished.error.size() - 1) << finished.error;
  };
  expect({"/no/such.heap"}, "/no/such.heap: No such file");
  expect({folder.path()}, "a folder");
  expect({"--flame", "x.png", "a"}, ".svg or .html");
  expect({"-o", "x", "a", "b"}, "one FILE");
  expect({"--binary", "/no/such", "a"}, "--binary /no/such");
  expect({"--nonsense"}, "--nonsense");
  expect({"--top", "--rows", "-1", "a"}, "--rows -1: give a whole number from 1 to 1000000");
  expect({"--top", "--rows", "18446744073709551616", "a"}, "--rows 18446744073709551616");
  expect({"--names", "long", "a"}, "--names");
}

}  // namespace
}  // namespace plateau::testing
