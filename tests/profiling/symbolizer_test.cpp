// Protects names, lines and inlined frames of every kind of program: position-independent or not, shared libraries,
// debug information old, split or in another file, or none.
#include "profiling/symbolizer.hpp"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "profiling/formats/pprof_reader.hpp"
#include "profiling/legacy_heap.hpp"
#include "profiling/mappings.hpp"
#include "profiling/pprof.hpp"
#include "tests/support/child_program.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau {

// A linkage name that no demangler reads, as that of a compiler newer than the C++ library may be.
int with_an_unreadable_name(int value) __asm__("_ZQQunreadable");
[[gnu::noinline]] int with_an_unreadable_name(int value) {
  return value + 1;
}

template <typename Value>
[[gnu::noinline]] int with_instances(Value value) {
  return static_cast<int>(value) + 1;
}

namespace {

using ::testing::Contains;
using testing::Finished;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::run;
using testing::ScratchFolder;

struct Expected {
  std::string function;
  std::int64_t line = 0;

  bool operator==(const Expected&) const = default;
};

void PrintTo(const Expected& frame, std::ostream* out) {
  *out << frame.function << ":" << frame.line;
}

struct Dump {
  std::vector<Expected> expected;  // innermost first
  Profile profile{std::vector<ValueType>{}};
};

// What a fixture prints: its stack, and what has to be found in it.
Dump dump_of(const std::string& program) {
  const Finished finished = run(program, {});
  if (finished.status != 0) throw std::runtime_error(program + ": " + finished.error);
  Dump dump;
  std::istringstream text(finished.out);
  std::string word;
  while (text.peek() == '#') {
    Expected frame;
    text >> word >> frame.line >> std::ws;
    std::getline(text, frame.function);
    dump.expected.push_back(frame);
  }
  dump.profile = read_legacy_heap(text).profile;
  return dump;
}

std::vector<Expected> symbolized(const Profile& profile, Symbolizer& symbolizer,
                                 Symbolizer::Effort effort = Symbolizer::Effort::full) {
  std::vector<Expected> frames;
  for (const std::uint64_t address : profile.stack(profile.samples().at(0))) {
    for (const Mapping& mapping : profile.mappings) {
      if (address <= mapping.start || address > mapping.limit) continue;
      for (const Frame& frame : symbolizer.frames(mapping, address - 1, effort)) {
        frames.push_back({frame.function->name, frame.line});
      }
    }
  }
  return frames;
}

std::vector<std::string> names(const std::vector<Expected>& frames) {
  std::vector<std::string> result;
  for (const Expected& frame : frames) result.push_back(frame.function);
  return result;
}

void expect_all(const Dump& dump, const Symbolizer::Options& options = {}) {
  Symbolizer symbolizer(options);
  const std::vector<Expected> found = symbolized(dump.profile, symbolizer);
  ASSERT_EQ(dump.expected.size(), 6U);
  EXPECT_NE(std::search(found.begin(), found.end(), dump.expected.begin(), dump.expected.end()), found.end())
      << ::testing::PrintToString(found) << "\nhas not in a row\n"
      << ::testing::PrintToString(dump.expected);
  EXPECT_THAT(names(found), Contains("main"));
}

class Program : public ::testing::TestWithParam<const char*> {};

TEST_P(Program, EveryFrameHasItsFunctionAndLine) {
  expect_all(dump_of(std::string(FIXTURES) + "/stack_dump_" + GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Kinds, Program, ::testing::Values("pie", "no_pie", "shared", "dwarf4", "split"),
                         [](const auto& test) { return std::string(test.param); });

class SeparateDebugFile : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::copy(std::string(FIXTURES) + "/stack_dump_pie", program_);
    ASSERT_EQ(run("/usr/bin/objcopy", {"--only-keep-debug", program_, debug_}).status, 0);
  }

  ScratchFolder folder_;
  const std::string program_ = folder_ / "program";
  const std::string debug_ = folder_ / "program.debug";
};

TEST(CompressedDebugSections, OfZstdAreReadAsPlainOnes) {
  const ScratchFolder folder;
  const std::string program = folder / "program";
  const std::string plain = std::string(FIXTURES) + "/stack_dump_pie";
  const Finished compressed = run("/usr/bin/objcopy", {"--compress-debug-sections=zstd", plain, program});
  if (compressed.status != 0) GTEST_SKIP() << "this objcopy has no zstd: " << compressed.error;
  ASSERT_NE(std::filesystem::file_size(program), std::filesystem::file_size(plain));
  expect_all(dump_of(program));
}

TEST_F(SeparateDebugFile, IsFoundByBuildId) {
  ASSERT_EQ(run("/usr/bin/strip", {"--strip-all", program_}).status, 0);
  const std::string id = build_id_of_file(program_);
  ASSERT_GT(id.size(), 2U);
  const std::string place = folder_ / "store/.build-id/" + id.substr(0, 2);
  std::filesystem::create_directories(place);
  std::filesystem::rename(debug_, place + "/" + id.substr(2) + ".debug");
  expect_all(dump_of(program_), {.debug_path = folder_ / "store"});
}

TEST_F(SeparateDebugFile, IsFoundByDebugLink) {
  ASSERT_EQ(run("/usr/bin/objcopy", {"--strip-all", "--add-gnu-debuglink=" + debug_, program_}).status, 0);
  expect_all(dump_of(program_));
}

// Without build ids the CRC tells.
TEST_F(SeparateDebugFile, IsFoundByDebugLinkAndCrc) {
  for (const std::string& file : {program_, debug_})
    ASSERT_EQ(run("/usr/bin/objcopy", {"--remove-section=.note.gnu.build-id", file}).status, 0);
  ASSERT_EQ(run("/usr/bin/objcopy", {"--strip-all", "--add-gnu-debuglink=" + debug_, program_}).status, 0);
  std::filesystem::create_directories(folder_ / ".debug");
  std::filesystem::rename(debug_, folder_ / ".debug/program.debug");
  expect_all(dump_of(program_));
  std::ofstream(folder_ / ".debug/program.debug", std::ios::app) << "another build";
  Symbolizer symbolizer;
  EXPECT_THAT(names(symbolized(dump_of(program_).profile, symbolizer)), Not(Contains(HasSubstr("fixture"))));
}

TEST_F(SeparateDebugFile, WithoutItElfSymbolsAreLeft) {
  ASSERT_EQ(run("/usr/bin/strip", {"--strip-debug", program_}).status, 0);
  std::filesystem::remove(debug_);
  const Dump dump = dump_of(program_);
  Symbolizer symbolizer;
  const std::vector<Expected> found = symbolized(dump.profile, symbolizer);
  EXPECT_THAT(found, Contains(Expected{"fixture::dump_stack", 0}));
  EXPECT_THAT(found, Contains(Expected{"fixture::(anonymous namespace)::print_stack", 0}));
  const Symbolizer::Detail detail = symbolizer.detail(dump.profile.mappings.at(0));
  EXPECT_TRUE(detail.functions);
  EXPECT_FALSE(detail.lines);
}

TEST_F(SeparateDebugFile, WithoutAnySymbolsAddressesAreLeft) {
  ASSERT_EQ(run("/usr/bin/strip", {"--strip-all", program_}).status, 0);
  std::filesystem::remove(debug_);
  const Dump dump = dump_of(program_);
  Symbolizer symbolizer;
  EXPECT_THAT(names(symbolized(dump.profile, symbolizer)), Not(Contains(HasSubstr("fixture"))));
  const auto read = read_pprof(encode_pprof(dump.profile, &symbolizer));
  EXPECT_EQ(read.locations.size(), dump.profile.stack(dump.profile.samples()[0]).size());
}

TEST(Symbolizer, ElfSymbolsAloneOnRequest) {
  const Dump dump = dump_of(std::string(FIXTURES) + "/stack_dump_pie");
  Symbolizer symbolizer({.lines = false});
  EXPECT_THAT(symbolized(dump.profile, symbolizer), Contains(Expected{"fixture::dump_stack", 0}));
}

TEST(Symbolizer, WithoutBudgetAProfileHasElfSymbolsAndSaysSo) {
  const Dump dump = dump_of(std::string(FIXTURES) + "/stack_dump_pie");
  Symbolizer symbolizer;
  const auto profile = read_pprof(encode_pprof(dump.profile, &symbolizer, {.symbol_budget = std::chrono::seconds(0)}));
  EXPECT_THAT(profile.comments, Contains(HasSubstr("the budget of 0 s was used up")));
  const auto has = [&](std::string_view name) {
    return std::any_of(profile.functions.begin(), profile.functions.end(),
                       [&](const auto& f) { return f.name == name; });
  };
  EXPECT_TRUE(has("main"));
  for (const auto& location : profile.locations) {
    ASSERT_LE(location.lines.size(), 1U) << "no inlined frames";
    for (const auto& line : location.lines) EXPECT_EQ(line.line, 0);
  }
  for (const auto& mapping : profile.mappings) EXPECT_FALSE(mapping.has_line_numbers);
}

TEST(Symbolizer, WhatIsKnownAlreadyCostsNoBudget) {
  const Dump dump = dump_of(std::string(FIXTURES) + "/stack_dump_pie");
  Symbolizer symbolizer;
  const std::vector<Expected> in_full = symbolized(dump.profile, symbolizer);
  const std::vector<Expected> again = symbolized(dump.profile, symbolizer, Symbolizer::Effort::symbols);
  EXPECT_EQ(again, in_full);
}

TEST(Symbolizer, FullNamesOnRequest) {
  const Dump dump = dump_of(std::string(FIXTURES) + "/stack_dump_pie");
  Symbolizer symbolizer({.names = NameStyle::full});
  EXPECT_THAT(names(symbolized(dump.profile, symbolizer)), Contains("fixture::dump_stack(int)"));
}

TEST(Symbolizer, AFileOfAnotherBuildIsNotUsed) {
  Dump dump = dump_of(std::string(FIXTURES) + "/stack_dump_pie");
  read_build_ids(dump.profile.mappings);
  EXPECT_FALSE(dump.profile.mappings.at(0).build_id.empty());
  for (Mapping& mapping : dump.profile.mappings) mapping.build_id = std::string(40, '0');
  Symbolizer symbolizer;
  EXPECT_THAT(symbolized(dump.profile, symbolizer), IsEmpty());
}

const Mapping& mapping_of(const std::vector<Mapping>& mappings, std::uint64_t address) {
  return *std::find_if(mappings.begin(), mappings.end(),
                       [&](const Mapping& mapping) { return address >= mapping.start && address < mapping.limit; });
}

TEST(Symbolizer, OfThisProcess) {
  const std::vector<Mapping> mappings = process_mappings();
  EXPECT_EQ(mappings.at(0).file, std::filesystem::read_symlink("/proc/self/exe"));
  EXPECT_EQ(mappings.at(0).build_id, build_id_of_file("/proc/self/exe"));
  Symbolizer symbolizer;
  const auto address = reinterpret_cast<std::uint64_t>(&encode_pprof);
  const auto frames = symbolizer.frames(mapping_of(mappings, address), address);
  ASSERT_FALSE(frames.empty());
  EXPECT_EQ(frames.back().function->name, "plateau::encode_pprof");
  EXPECT_THAT(frames.back().function->file, HasSubstr("profiling/formats/pprof.cpp"));
  EXPECT_GT(frames.back().line, 0);
  EXPECT_GE(frames.back().function->start_line, 1);

  const auto again = symbolizer.frames(mapping_of(mappings, address), address);
  EXPECT_EQ(again.data(), frames.data()) << "an answer is kept";
  EXPECT_EQ(symbolizer.cost().addresses, 1U);
  EXPECT_EQ(symbolizer.cost().files, 1U);
}

TEST(Symbolizer, ANameThatCannotBeDemangledIsTheQualifiedOne) {
  EXPECT_EQ(with_an_unreadable_name(1), 2);
  const std::vector<Mapping> mappings = process_mappings();
  Symbolizer symbolizer;
  const auto address = reinterpret_cast<std::uint64_t>(&with_an_unreadable_name);
  const auto frames = symbolizer.frames(mapping_of(mappings, address), address);
  ASSERT_FALSE(frames.empty());
  EXPECT_EQ(frames.back().function->name, "plateau::with_an_unreadable_name");
  EXPECT_EQ(frames.back().function->system_name, "_ZQQunreadable");
}

TEST(Symbolizer, InstancesOfATemplateAreFunctionsOfTheirOwnInAnyOrder) {
  const std::vector<Mapping> mappings = process_mappings();
  const auto of_int = reinterpret_cast<std::uint64_t>(&with_instances<int>);
  const auto of_long = reinterpret_cast<std::uint64_t>(&with_instances<long>);
  const auto system_name = [&](Symbolizer& symbolizer, std::uint64_t address) {
    const auto frames = symbolizer.frames(mapping_of(mappings, address), address);
    EXPECT_EQ(frames.back().function->name, "plateau::with_instances");
    return frames.back().function->system_name;
  };
  Symbolizer forward;
  Symbolizer backward;
  const std::string first = system_name(forward, of_int);
  const std::string second = system_name(forward, of_long);
  EXPECT_NE(first, second);
  EXPECT_EQ(system_name(backward, of_long), second);
  EXPECT_EQ(system_name(backward, of_int), first);
}

TEST(Symbolizer, OfTheVdso) {
  void* const vdso = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);
  void* const function = vdso == nullptr ? nullptr : dlsym(vdso, "__vdso_clock_gettime");
  if (function == nullptr) GTEST_SKIP() << "no vdso here";
  const auto address = reinterpret_cast<std::uint64_t>(function);
  const std::vector<Mapping> mappings = process_mappings();
  const Mapping& mapping = mapping_of(mappings, address);
  EXPECT_EQ(mapping.file, "[vdso]");
  Symbolizer symbolizer;
  const auto frames = symbolizer.frames(mapping, address);
  ASSERT_FALSE(frames.empty());
  EXPECT_THAT(frames[0].function->name, HasSubstr("clock_gettime"));
}

TEST(Symbolizer, CodeOfNoFileStaysAnAddress) {
  void* const jit = ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(jit, MAP_FAILED);
  const auto address = reinterpret_cast<std::uint64_t>(jit) + 17;
  Profile profile = heap_profile(1);
  profile.mappings = process_mappings();
  profile.add(std::vector{address}, HeapValues{0, 0, 1, 1});
  Symbolizer symbolizer;
  const auto read = read_pprof(encode_pprof(profile, &symbolizer));
  ::munmap(jit, 4096);
  ASSERT_EQ(read.locations.size(), 1U);
  EXPECT_EQ(read.locations[0].address, address - 1);
  EXPECT_EQ(read.locations[0].mapping, 0U);
  EXPECT_TRUE(read.locations[0].lines.empty());
}

}  // namespace
}  // namespace plateau
