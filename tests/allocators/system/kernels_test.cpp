// Feeds every reader of /proc and of cgroups the files of several kernels: see fixtures/README.md.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <ostream>
#include <string>

#include "allocators/memory_headroom.hpp"
#include "allocators/process_memory.hpp"
#include "allocators/system/cgroup.hpp"
#include "allocators/system/kernel_file.hpp"
#include "allocators/system/process_start.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {
namespace {

namespace fs = std::filesystem;
using Number = std::optional<std::uint64_t>;

constexpr std::uint64_t kib = 1024;

struct Kernel {
  const char* folder;
  ProcessMemory process;
  std::uint64_t data;
  Number statm_rss_pages;
  double start_seconds;
  std::optional<AnonymousMemory> anonymous;
  // The limit that holds, and what counts against it.
  std::uint64_t limit;
  std::uint64_t used;
  const char* limit_file;  // below /sys/fs/cgroup
  // Of the group with that limit.
  Number oom_kills;
  Number out_of_memory_events;
  Number peak;
};
void PrintTo(const Kernel& kernel, std::ostream* out) {
  *out << kernel.folder;
}

class Kernels : public ::testing::TestWithParam<Kernel> {
 protected:
  static std::string file(const std::string& name) { return fs::path(FIXTURES) / GetParam().folder / name; }
  // The mount points are those of the kernel's file, moved below the fixture.
  CgroupFiles cgroup_files() const {
    std::string mounts = read_text(file("mounts"));
    const std::string place = "/sys/fs/cgroup";
    for (std::size_t at = mounts.find(" " + place); at != std::string::npos; at = mounts.find(" " + place, at)) {
      const std::string moved = file("sys/fs/cgroup");
      mounts.replace(at + 1, place.size(), moved);
      at += moved.size();
    }
    scratch_.write("mounts", mounts);
    return {scratch_.path() / "mounts", file("cgroup")};
  }

 private:
  const ScratchFolder scratch_;
};

TEST_P(Kernels, TellWhatAProcessUses) {
  const auto memory = process_memory_in(file("status").c_str());
  ASSERT_TRUE(memory);
  const ProcessMemory& expected = GetParam().process;
  EXPECT_EQ(memory->rss_bytes, expected.rss_bytes);
  EXPECT_EQ(memory->peak_rss_bytes, expected.peak_rss_bytes);
  EXPECT_EQ(memory->anonymous_bytes, expected.anonymous_bytes);
  EXPECT_EQ(memory->file_bytes, expected.file_bytes);
  EXPECT_EQ(memory->shared_bytes, expected.shared_bytes);
  EXPECT_EQ(memory->rss_bytes, memory->anonymous_bytes + memory->file_bytes + memory->shared_bytes);
  EXPECT_EQ(kernel_file::number_behind(file("status").c_str(), "VmData"), GetParam().data);
  EXPECT_EQ(kernel_file::number(file("statm").c_str(), 1), GetParam().statm_rss_pages);
}

TEST_P(Kernels, TellWhenAProcessWasStarted) {
  const auto start = process_start_seconds_in(file("stat").c_str(), file("system_stat").c_str(), 100);
  ASSERT_TRUE(start);
  EXPECT_NEAR(*start, GetParam().start_seconds, 1e-6);
}

TEST_P(Kernels, TellOfAnonymousMemoryWhereTheyHaveARollup) {
  const auto anonymous = anonymous_memory_in(file("smaps_rollup").c_str());
  ASSERT_EQ(anonymous.has_value(), GetParam().anonymous.has_value());
  if (!anonymous) return;
  EXPECT_EQ(anonymous->lazily_freed_bytes, GetParam().anonymous->lazily_freed_bytes);
  EXPECT_EQ(anonymous->huge_page_bytes, GetParam().anonymous->huge_page_bytes);
}

TEST_P(Kernels, TellWhichLimitHoldsAndWhatCountsAgainstIt) {
  const MemoryHeadroom headroom(std::nullopt, cgroup_files());
  EXPECT_EQ(headroom.limit_bytes(), GetParam().limit);
  EXPECT_EQ(headroom.used_bytes(), GetParam().used);
  EXPECT_EQ(headroom.source(), file("sys/fs/cgroup/") + GetParam().limit_file);
}

TEST_P(Kernels, TellOfKills) {
  const auto group = Cgroup::of_limit_file(file("sys/fs/cgroup/") + GetParam().limit_file);
  ASSERT_TRUE(group);
  EXPECT_EQ(group->oom_kills(), GetParam().oom_kills);
  EXPECT_EQ(group->out_of_memory_events(), GetParam().out_of_memory_events);
  EXPECT_EQ(group->peak(), GetParam().peak);
}

constexpr ProcessMemory process(std::uint64_t rss, std::uint64_t peak, std::uint64_t anonymous, std::uint64_t file,
                                std::uint64_t shared) {
  return {rss * kib, peak * kib, anonymous * kib, file * kib, shared * kib};
}

const Kernel kernels[] = {
    // RSS is not split up; groups above one whose use_hierarchy is 0 do not count it.
    {.folder = "linux-3.10-v1",
     .process = process(355104, 366840, 355104, 0, 0),
     .data = 2288832 * kib,
     .statm_rss_pages = std::nullopt,
     .start_seconds = 1556093700 + 15.52,
     .anonymous = std::nullopt,
     .limit = 1073741824,
     .used = 524288000 - 100000000 - 50000000,
     .limit_file = "memory/batch/nightly/memory.limit_in_bytes",
     .oom_kills = std::nullopt,
     .out_of_memory_events = std::nullopt,
     .peak = 600000000},
    // A container in which /proc names the host's path of the group.
    {.folder = "linux-4.19-v1",
     .process = process(118304, 131072, 88064, 30208, 32),
     .data = 171524 * kib,
     .statm_rss_pages = 29576,
     .start_seconds = 1640995200 + 9182.73,
     .anonymous = AnonymousMemory{5120 * kib, 20480 * kib},
     .limit = 268435456,
     .used = 141557760 - 16777216 - 26181632,
     .limit_file = "memory/memory.limit_in_bytes",
     .oom_kills = 3,
     .out_of_memory_events = std::nullopt,
     .peak = 268435456},
    // A service whose slice has less room than it has itself.
    {.folder = "linux-5.10-v2",
     .process = process(507904, 512000, 483328, 24064, 512),
     .data = 1101824 * kib,
     .statm_rss_pages = 126976,
     .start_seconds = 1666933600 + 47.11,
     .anonymous = AnonymousMemory{0, 165888 * kib},
     .limit = 805306368,
     .used = 800000000 - 67108864 - 41418752,
     .limit_file = "shop.slice/memory.max",
     .oom_kills = 1,
     .out_of_memory_events = 2,
     .peak = std::nullopt},
    // A pod slowed down before it is killed; twelve hundred groups of the user before the figures.
    {.folder = "linux-6.1-v2",
     .process = process(73728, 77824, 61440, 12288, 0),
     .data = 120832 * kib,
     .statm_rss_pages = 18432,
     .start_seconds = 1700000000 + 2.5,
     .anonymous = AnonymousMemory{8192 * kib, 6144 * kib},
     .limit = 120795955,
     .used = 98304000 - 16777216 - 8388608,
     .limit_file = "memory.high",
     .oom_kills = 0,
     .out_of_memory_events = 0,
     .peak = 121000000},
    {.folder = "linux-6.18-v1",
     .process = process(106844, 106844, 97020, 6752, 3072),
     .data = 98132 * kib,
     .statm_rss_pages = 26711,
     .start_seconds = 1795833604 + 4123.37,
     .anonymous = AnonymousMemory{8184 * kib, 0},
     .limit = 209715200,
     .used = 124739584 - 29446144 - 32768,
     .limit_file = "memory/jobs/4711/memory.limit_in_bytes",
     .oom_kills = 0,
     .out_of_memory_events = std::nullopt,
     .peak = 124739584},
    // A session without a limit, below a user with memory.high.
    {.folder = "linux-6.18-v2",
     .process = process(34816, 34816, 24576, 10240, 0),
     .data = 49152 * kib,
     .statm_rss_pages = 8704,
     .start_seconds = 1780000000 + 331.0,
     .anonymous = AnonymousMemory{0, 0},
     .limit = 268435456,
     .used = 62914560 - 4194304 - 6291456,
     .limit_file = "user.slice/user-1000.slice/memory.high",
     .oom_kills = 0,
     .out_of_memory_events = 0,
     .peak = 62918656},
    // A kernel of its own with few lines, short columns, and no memory.stat.
    {.folder = "gvisor",
     .process = process(9600, 9600, 9600, 0, 0),
     .data = 11264 * kib,
     .statm_rss_pages = 2400,
     .start_seconds = 1650000000 + 0.77,
     .anonymous = std::nullopt,
     .limit = 67108864,
     .used = 9830400,
     .limit_file = "memory/memory.limit_in_bytes",
     .oom_kills = std::nullopt,
     .out_of_memory_events = std::nullopt,
     .peak = std::nullopt},
};

INSTANTIATE_TEST_SUITE_P(All, Kernels, ::testing::ValuesIn(kernels), [](const auto& test) {
  std::string name = test.param.folder;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
});

}  // namespace
}  // namespace plateau::testing
