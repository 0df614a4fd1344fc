// Protects the kernel's part of the black box: it is told at the threshold, and when a group's events change, and is
// not kept busy by what tells nothing.
#include "profiling/host/memory_events.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "allocators/memory_headroom.hpp"
#include "labs/harness/arm/memory_limit.hpp"
#include "tests/support/fake_cgroups.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::IsEmpty;

constexpr std::chrono::milliseconds at_once{0};
constexpr std::chrono::seconds patience{60};

constexpr int fired_early = 10;
constexpr int never_fired = 11;
constexpr int no_event = 12;

// In a process under a limit of its own.
int cross_a_threshold() {
  const MemoryHeadroom headroom;
  MemoryEvents events(headroom.source());
  if (events.sources().empty()) return no_event;
  constexpr std::size_t step = std::size_t{16} << 20;
  events.expect_usage(headroom.used_bytes() + step);
  if (events.wait(at_once)) return fired_early;
  const auto block = std::make_unique<char[]>(2 * step);
  std::memset(block.get(), 1, 2 * step);
  asm volatile("" ::"r"(block.get()) : "memory");
  return events.wait(patience) ? 0 : never_fired;
}

TEST(MemoryEvents, TellOfAThresholdInVersionOne) {
  const harness::MemoryLimit limit(std::uint64_t{400} << 20, "events");
  if (limit.kind() != harness::LimitKind::cgroup_v1) GTEST_SKIP() << "no cgroup v1 can be made here";
  const pid_t child = ::fork();
  if (child == 0) ::_exit(limit.enter() ? cross_a_threshold() : no_event);
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status)) << status;
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// A group of version 2 with no controller: it has cgroup.events, which tells of a change as memory.events does, and
// pressure.
class GroupWithoutController {
 public:
  GroupWithoutController() {
    std::ifstream mounts("/proc/self/mounts");
    std::string device, point, kind, rest;
    while (mounts >> device >> point >> kind && std::getline(mounts, rest)) {
      if (kind != "cgroup2") continue;
      const fs::path group = fs::path(point) / ("plateau-test-" + std::to_string(::getpid()));
      std::error_code error;
      if (fs::create_directory(group, error)) path_ = group;
    }
  }
  ~GroupWithoutController() {
    while (!path_.empty() && ::rmdir(path_.c_str()) != 0 && errno == EBUSY) ::usleep(1000);
  }
  GroupWithoutController(const GroupWithoutController&) = delete;
  GroupWithoutController& operator=(const GroupWithoutController&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

TEST(MemoryEvents, TellOfAChangeInVersionTwo) {
  const GroupWithoutController group;
  if (group.path().empty()) GTEST_SKIP() << "no cgroup v2 can be made here";
  const ScratchFolder folder;
  const FakeCgroups cgroups(folder);
  cgroups.write("memory.max", "1000000\n");
  cgroups.link("memory.events", group.path() / "cgroup.events");
  cgroups.link("memory.pressure", group.path() / "memory.pressure");
  MemoryEvents events(cgroups.root() + "/memory.max");
  EXPECT_THAT(events.sources(), ElementsAre(EndsWith("/memory.events"), EndsWith("/memory.pressure")));
  EXPECT_FALSE(events.wait(at_once));

  const pid_t child = ::fork();
  if (child == 0) ::_exit(::pause());
  std::ofstream(group.path() / "cgroup.procs") << child;
  EXPECT_TRUE(events.wait(patience)) << "the group has a process";
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(events.wait(patience)) << "and none again";
  EXPECT_FALSE(events.wait(at_once)) << "each is told of once";
}

TEST(MemoryEvents, OfOtherLimitsThereAreNone) {
  MemoryEvents events("RLIMIT_DATA");
  EXPECT_THAT(events.sources(), IsEmpty());
  events.expect_usage(1);
  EXPECT_FALSE(events.wait(at_once));
}

TEST(MemoryEvents, FilesThatTellNothingKeepNobodyBusy) {
  const ScratchFolder folder;
  const FakeCgroups cgroups(folder);
  cgroups.write("memory.limit_in_bytes", "1000000\n");
  cgroups.write("memory.usage_in_bytes", "500000\n");
  cgroups.write("cgroup.event_control", "");
  MemoryEvents events(cgroups.root() + "/memory.limit_in_bytes");
  events.expect_usage(1);
  EXPECT_FALSE(events.wait(std::chrono::milliseconds(1)));
}

}  // namespace
}  // namespace plateau::testing
