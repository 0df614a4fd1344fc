// Protects the evidence: a program that the kernel kills at its limit leaves profiles of the way there, and the last
// one names what grew.
#include "profiling/black_box.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <string>
#include <vector>

#include "allocators/memory_headroom.hpp"
#include "labs/harness/arm/memory_limit.hpp"
#include "profiling/formats/pprof_reader.hpp"
#include "profiling/waterfall/group_memory.hpp"
#include "tests/support/child_program.hpp"
#include "tests/support/fake_cgroups.hpp"

namespace plateau::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::Each;
using ::testing::EndsWith;
using ::testing::HasSubstr;

constexpr std::uint64_t limit_bytes = std::uint64_t{200} << 20;

struct Death {
  Finished program;
  bool by_the_kernel = false;
};

constexpr int killed = 128 + SIGKILL;
constexpr int out_of_memory = 3;  // what the program says when malloc fails, as it does without a cgroup

// Runs the doomed program under a limit of its own.
Death run_doomed(const std::vector<std::string>& arguments, const std::vector<std::string>& environment,
                 const CgroupFiles& cgroups = {}) {
  const harness::MemoryLimit limit(limit_bytes, "doomed", cgroups);
  Death death;
  death.program = run(DOOMED_PROGRAM, arguments, {.environment = environment, .enter = [&] { return limit.enter(); }});
  death.by_the_kernel = death.program.status == killed && limit.killed();
  return death;
}

std::vector<std::string> files_in(const std::string& directory) {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(directory)) files.push_back(entry.path());
  // By number.
  std::sort(files.begin(), files.end(), [](const std::string& one, const std::string& other) {
    return one.size() != other.size() ? one.size() < other.size() : one < other;
  });
  return files;
}

bool names(const ReadProfile& profile, const std::string& function) {
  return std::any_of(profile.functions.begin(), profile.functions.end(),
                     [&](const ReadProfile::Function& one) { return one.name.find(function) != std::string::npos; });
}

struct Profiled {
  const char* name;
  std::vector<std::string> environment;
};
void PrintTo(const Profiled& one, std::ostream* out) {
  *out << one.name;
}

class Allocators : public ::testing::TestWithParam<Profiled> {};

TEST_P(Allocators, AProgramKilledAtItsLimitLeavesTheLastProfiles) {
  const ScratchFolder folder;
  std::ofstream(folder / "black-box-99.pb.gz") << "of an earlier run";
  const Death death = run_doomed({folder.path(), "symbolize"}, GetParam().environment);
  if (death.program.status == out_of_memory) GTEST_SKIP() << "no cgroup can be made here";
  ASSERT_TRUE(death.by_the_kernel) << death.program.status;

  std::vector<std::string> files = files_in(folder.path());
  ASSERT_GE(files.size(), 2u);
  // The kernel may have killed while the last one was being written: then its text, or a part of it, is there.
  std::erase_if(files, [](const std::string& file) { return !file.ends_with(".pb.gz"); });
  ASSERT_GE(files.size(), 1u);
  EXPECT_LE(files.size(), 3u) << "older ones are removed";
  std::int64_t before = 0;
  for (const std::string& file : files) {
    const ReadProfile profile = read_pprof(read_text(file));
    EXPECT_TRUE(names(profile, "leak_until_killed")) << file;
    EXPECT_GE(profile.total("inuse_space"), before) << file;  // the kernel may tell of two steps at once
    before = profile.total("inuse_space");
  }
  EXPECT_GT(before, static_cast<std::int64_t>(limit_bytes / 2)) << "the last one is of close to the limit";
}

INSTANTIATE_TEST_SUITE_P(
    All, Allocators,
    ::testing::Values(Profiled{"jemalloc", {"LD_PRELOAD=libjemalloc.so.2", "MALLOC_CONF=prof:true,lg_prof_sample:17"}},
                      Profiled{"sampler_on_glibc", {"LD_PRELOAD=" SAMPLER, "PLATEAU_SAMPLE_PERIOD=131072"}}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(BlackBox, WithoutSymbolsLeavesTheAllocatorsOwnText) {
  const ScratchFolder folder;
  const Death death =
      run_doomed({folder.path(), "raw"}, {"LD_PRELOAD=libjemalloc.so.2", "MALLOC_CONF=prof:true,lg_prof_sample:17"});
  if (death.program.status == out_of_memory) GTEST_SKIP() << "no cgroup can be made here";
  ASSERT_TRUE(death.by_the_kernel) << death.program.status;
  std::vector<std::string> files = files_in(folder.path());
  std::erase_if(files, [](const std::string& file) { return file.ends_with(".part"); });
  ASSERT_FALSE(files.empty());
  EXPECT_THAT(files, Each(EndsWith(".heap")));
  EXPECT_THAT(read_text(files.back()), ::testing::StartsWith("heap_v2/"));
}

TEST(BlackBox, OfTheAgentNeedsNothingOfTheProgram) {
  const ScratchFolder folder;
  const Death death = run_doomed({}, {std::string("LD_PRELOAD=") + AGENT, "PLATEAU_BLACK_BOX=" + folder / "kept"});
  if (death.program.status == out_of_memory) GTEST_SKIP() << "no cgroup can be made here";
  ASSERT_TRUE(death.by_the_kernel) << death.program.status;
  std::vector<std::string> files = files_in(folder / "kept");
  std::erase_if(files, [](const std::string& file) { return file.ends_with(".part"); });
  ASSERT_GE(files.size(), 2u);
  EXPECT_THAT(files, Each(HasSubstr("/doomed_program-" + std::to_string(death.program.pid) + "-")));
  const Finished top = run(HEAP2PPROF, {"--top", files.back()});
  EXPECT_THAT(top.out, HasSubstr("leak_until_killed")) << top.error;
}

// There the kernel does not kill: malloc fails, and the program ends by itself.
TEST(BlackBox, UnderRlimitDataItKeepsProfilesToo) {
  const ScratchFolder folder;
  const CgroupFiles no_cgroups{"/dev/null", "/dev/null"};
  const Death death =
      run_doomed({}, {std::string("LD_PRELOAD=") + AGENT, "PLATEAU_BLACK_BOX=" + folder / "kept"}, no_cgroups);
  ASSERT_EQ(death.program.status, out_of_memory) << death.program.error;
  std::vector<std::string> files = files_in(folder / "kept");
  std::erase_if(files, [](const std::string& file) { return file.ends_with(".part"); });
  ASSERT_FALSE(files.empty());
  EXPECT_THAT(files, Each(HasSubstr("/doomed_program-" + std::to_string(death.program.pid) + "-")));
  const Finished top = run(HEAP2PPROF, {"--top", files.back()});
  EXPECT_THAT(top.out, HasSubstr("leak_until_killed")) << top.error;
}

TEST(BlackBox, OfTheAgentIsSilentWhereItCannotBeHad) {
  const ScratchFolder folder;
  const std::vector<std::string> environment{std::string("LD_PRELOAD=") + AGENT,
                                             "PLATEAU_BLACK_BOX=/proc/no/such/folder"};
  EXPECT_EQ(run("/bin/true", {}, {.environment = environment}).error, "");
  std::vector<std::string> verbose = environment;
  verbose.push_back("PLATEAU_PPROF_VERBOSE=1");
  const Finished told = run("/bin/true", {}, {.environment = verbose});
  EXPECT_EQ(told.status, 0);
  EXPECT_THAT(told.error, ::testing::StartsWith("plateau: PLATEAU_BLACK_BOX: "));
}

TEST(BlackBox, WhatCannotBeHadIsSaidAtTheStart) {
  const ScratchFolder folder;
  const auto without_profiler = run(DOOMED_PROGRAM, {folder / "new", "symbolize"}, {});
  EXPECT_EQ(without_profiler.status, 1);
  EXPECT_THAT(without_profiler.error, ::testing::AnyOf(HasSubstr("no memory limit"), HasSubstr("no heap profiler")));
}

TEST(MemoryHeadroom, FindsTheNearestLimitAboveInVersionTwo) {
  const ScratchFolder folder;
  const FakeCgroups cgroups(folder);
  cgroups.write("mounts", "cgroup2 " + cgroups.root() + "/v2 cgroup2 rw 0 0\n");
  cgroups.write("own", "0::/pod/container\n");
  cgroups.write("v2/pod/container/memory.max", "max\n");
  cgroups.write("v2/pod/memory.max", "1000000\n");
  cgroups.write("v2/pod/memory.current", "600000\n");
  cgroups.write("v2/pod/memory.stat", "anon 500000\nfile 90000\ninactive_file 50000\nactive_file 40000\n");
  const MemoryHeadroom headroom(std::nullopt, cgroups.files);
  EXPECT_EQ(headroom.limit_bytes(), 1'000'000u);
  EXPECT_EQ(headroom.used_bytes(), 510'000u) << "cached pages of files are no reason to act";
  EXPECT_THAT(headroom.source(), EndsWith("v2/pod/memory.max"));
}

TEST(GroupMemory, TellsWhatFillsTheGroupWithTheLeastRoom) {
  const ScratchFolder folder;
  const FakeCgroups cgroups(folder);
  cgroups.write("mounts", "cgroup2 " + cgroups.root() + "/v2 cgroup2 rw 0 0\n");
  cgroups.write("own", "0::/pod/container\n");
  cgroups.write("v2/pod/container/memory.max", "900000000\n");
  cgroups.write("v2/pod/container/memory.current", "318000000\n");
  cgroups.write("v2/pod/memory.high", "400000000\n");
  cgroups.write("v2/pod/memory.max", "500000000\n");
  cgroups.write("v2/pod/memory.current", "350000000\n");
  cgroups.write("v2/pod/memory.stat",
                "anon 3000000\ninactive_file 10000000\nactive_file 20000000\nshmem 315000000\nkernel 2000000\n");
  const auto group = group_memory(cgroups.files);
  ASSERT_TRUE(group);
  EXPECT_EQ(group->limit_bytes, 400'000'000u);
  EXPECT_THAT(group->limit_file, EndsWith("v2/pod/memory.high"));
  EXPECT_EQ(group->usage_bytes, 350'000'000u);
  EXPECT_EQ(group->held_bytes, 320'000'000u) << "tmpfs cannot be dropped, cached files can";
  EXPECT_EQ(group->contents.shared, 315'000'000u);
  EXPECT_EQ(group->contents.sockets, std::nullopt) << "not told is not 0";
  EXPECT_THAT(to_text(*group), HasSubstr("350.0 MB of its limit of 400.0 MB"));
  EXPECT_THAT(to_text(*group), EndsWith("anon 3.0, active file 20.0, inactive file 10.0, shmem 315.0, kernel 2.0"));
}

TEST(MemoryHeadroom, ReadsVersionOneWhereTheHostsPathIsNotMounted) {
  const ScratchFolder folder;
  const FakeCgroups cgroups(folder);
  cgroups.write("mounts", "cgroup " + cgroups.root() + "/memory cgroup rw,memory 0 0\n");
  cgroups.write("own", "0::/\n7:memory:/docker/1234\n");
  cgroups.write("memory/memory.limit_in_bytes", "2000000\n");
  cgroups.write("memory/memory.usage_in_bytes", "900000\n");
  cgroups.write("memory/memory.stat", "cache 7\ninactive_file 3\ntotal_inactive_file 100000\n");
  const MemoryHeadroom headroom(std::nullopt, cgroups.files);
  EXPECT_EQ(headroom.limit_bytes(), 2'000'000u);
  EXPECT_EQ(headroom.used_bytes(), 800'000u);
}

TEST(MemoryHeadroom, ALimitThatIsGivenIsOfResidentMemory) {
  const MemoryHeadroom headroom(std::uint64_t{1} << 40);
  EXPECT_EQ(headroom.source(), "given");
  EXPECT_GT(headroom.used_bytes(), 0u);
}

TEST(MemoryHeadroom, WithoutALimitSaysSo) {
  const ScratchFolder folder;
  const FakeCgroups cgroups(folder);
  cgroups.write("mounts", "cgroup " + cgroups.root() + "/memory cgroup rw,memory 0 0\n");
  cgroups.write("own", "7:memory:/\n");
  cgroups.write("memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_THROW(MemoryHeadroom(std::nullopt, cgroups.files), std::runtime_error);
}

}  // namespace
}  // namespace plateau::testing
