// Protects: the limit that holds is found wherever the group of a process may be, and stays the one that matters.
#include "allocators/system/cgroup.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>

#include "allocators/allocation_counter.hpp"
#include "allocators/memory_headroom.hpp"
#include "allocators/process_memory.hpp"
#include "allocators/system/kernel_file.hpp"
#include "tests/support/fake_cgroups.hpp"

namespace plateau::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::IsEmpty;

class Cgroups : public ::testing::Test {
 protected:
  void v2(const std::string& own) {
    cgroups_.write("mounts", "cgroup2 " + cgroups_.root() + "/v2 cgroup2 rw 0 0\n");
    cgroups_.write("own", "0::" + own + "\n");
  }
  void v1(const std::string& own) {
    cgroups_.write("mounts", "cgroup " + cgroups_.root() + "/v1 cgroup rw,memory,cpu 0 0\n");
    cgroups_.write("own", "0::/\n3:cpu,memory:" + own + "\n");
  }
  void group(const std::string& folder, const std::string& max, const std::string& high, std::uint64_t used,
             std::uint64_t inactive = 0) {
    cgroups_.write(folder + "/memory.max", max + "\n");
    cgroups_.write(folder + "/memory.high", high + "\n");
    cgroups_.write(folder + "/memory.current", std::to_string(used) + "\n");
    cgroups_.write(folder + "/memory.stat", "inactive_file " + std::to_string(inactive) + "\n");
  }
  MemoryHeadroom headroom() const { return MemoryHeadroom(std::nullopt, cgroups_.files); }

  const ScratchFolder folder_;
  const FakeCgroups cgroups_{folder_};
};

TEST_F(Cgroups, TheSmallerOfMaxAndHighHolds) {
  v2("/service");
  group("v2/service", "1000", "800", 500);
  EXPECT_EQ(headroom().limit_bytes(), 800U);
  EXPECT_THAT(headroom().source(), EndsWith("/service/memory.high"));
  group("v2/service", "max", "800", 500);
  EXPECT_EQ(headroom().limit_bytes(), 800U);
  group("v2/service", "700", "800", 500);
  EXPECT_THAT(headroom().source(), EndsWith("/service/memory.max"));
  group("v2/service", "800", "800", 500);
  EXPECT_THAT(headroom().source(), EndsWith("/service/memory.max")) << "where it would be killed";
  group("v2/service", "0", "max", 500);
  EXPECT_EQ(headroom().limit_bytes(), 0U) << "a limit of nothing is one";
}

TEST_F(Cgroups, TheTightestOnTheWayUpHolds) {
  v2("/pod/container");
  group("v2/pod/container", "1000", "max", 100);
  group("v2/pod", "600", "max", 100);
  EXPECT_EQ(headroom().limit_bytes(), 600U);
  EXPECT_EQ(headroom().used_bytes(), 100U);
  // Larger than the container's, and nearly used up by its neighbours.
  group("v2/pod", "2000", "max", 1900);
  EXPECT_EQ(headroom().limit_bytes(), 2000U);
  EXPECT_EQ(headroom().used_bytes(), 1900U);
  group("v2/pod", "2000", "max", 500);
  EXPECT_EQ(headroom().limit_bytes(), 1000U);
}

TEST_F(Cgroups, WhatNeighboursTakeLaterShowsInTheUse) {
  v2("/pod/container");
  group("v2/pod/container", "1000", "max", 100, 20);
  group("v2/pod", "2000", "max", 500);
  const MemoryHeadroom chosen = headroom();
  EXPECT_EQ(chosen.limit_bytes(), 1000U);
  EXPECT_EQ(chosen.used_bytes(), 80U);
  group("v2/pod", "2000", "max", 1990);
  EXPECT_EQ(chosen.limit_bytes() - chosen.used_bytes(), 10U) << "what is left is the pod's";
  group("v2/pod", "2000", "max", 2100);
  EXPECT_EQ(chosen.used_bytes(), 1100U) << "the pod is past its limit";
}

TEST_F(Cgroups, AGroupAboveUsesNoLessThanThoseInIt) {
  v2("/pod/container");
  group("v2/pod/container", "1000", "max", 590);
  cgroups_.write("v2/pod/memory.max", "600\n");  // and no memory.current
  EXPECT_EQ(headroom().limit_bytes(), 600U);
  EXPECT_EQ(headroom().used_bytes(), 590U);
}

TEST_F(Cgroups, AnUnlimitedGroupHasTheLimitAbove) {
  v2("/a/b/c");
  group("v2/a/b/c", "max", "max", 100);
  fs::create_directories(folder_.path() / "v2/a/b");  // without the memory controller
  group("v2/a", "900", "max", 300, 100);
  EXPECT_EQ(headroom().limit_bytes(), 900U);
  EXPECT_EQ(headroom().used_bytes(), 200U);
  std::vector<std::string> files;
  for (const CgroupLimit& limit : limits_on_the_way_up(cgroups_.files)) files.push_back(limit.file);
  EXPECT_THAT(files, ElementsAre(EndsWith("/a/memory.max")));
}

// In a container the front part of the path, or all of it, may be the host's.
TEST_F(Cgroups, TheLongestEndOfThePathThatIsMountedIsTheGroup) {
  v1("/docker/1234/worker");
  cgroups_.write("v1/memory.limit_in_bytes", "2000\n");
  cgroups_.write("v1/worker/memory.limit_in_bytes", "500\n");
  EXPECT_EQ(headroom().limit_bytes(), 500U);
  EXPECT_EQ(find_cgroup(CgroupVersion::v1, cgroups_.files)->own, folder_.path() / "v1/worker");
  fs::remove_all(folder_.path() / "v1/worker");
  EXPECT_EQ(headroom().limit_bytes(), 2000U);
}

TEST_F(Cgroups, APathThatLeadsOutOfTheNamespaceIsItsRoot) {
  cgroups_.write("outside/memory.max", "1\n");
  v2("/../outside");
  group("v2", "700", "max", 10);
  EXPECT_EQ(headroom().limit_bytes(), 700U);
}

TEST_F(Cgroups, BlanksInAMountPointAreRead) {
  cgroups_.write("mounts", "cgroup2 " + cgroups_.root() + "/my\\040groups cgroup2 rw 0 0\n");
  cgroups_.write("own", "0::/a:b c\n");
  group("my groups/a:b c", "700", "max", 10);
  EXPECT_EQ(headroom().limit_bytes(), 700U);
}

TEST_F(Cgroups, OfSeveralMountsTheOneThatShowsTheGroupIsTaken) {
  cgroups_.write("mounts", "cgroup2 " + cgroups_.root() + "/other cgroup2 rw 0 0\n" +  //
                               "cgroup2 " + cgroups_.root() + "/v2 cgroup2 rw 0 0\n");
  cgroups_.write("own", "0::/service\n");
  group("other", "max", "max", 10);
  group("v2/service", "700", "max", 10);
  EXPECT_EQ(headroom().limit_bytes(), 700U);
}

TEST_F(Cgroups, VersionOneHoldsWhereVersionTwoHasNoController) {
  cgroups_.write("mounts", "cgroup2 " + cgroups_.root() + "/v2 cgroup2 rw 0 0\ncgroup " + cgroups_.root() +
                               "/v1 cgroup rw,memory 0 0\n");
  cgroups_.write("own", "4:memory:/job\n0::/job\n");
  cgroups_.write("v2/job/cgroup.procs", "");
  cgroups_.write("v1/job/memory.limit_in_bytes", "300\n");
  cgroups_.write("v1/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(headroom().limit_bytes(), 300U);
}

TEST_F(Cgroups, AVersionOneGroupThatDoesNotCountItsChildrenDoesNotLimitThem) {
  v1("/batch/job");
  cgroups_.write("v1/batch/job/memory.limit_in_bytes", "1000\n");
  cgroups_.write("v1/batch/memory.limit_in_bytes", "10\n");
  cgroups_.write("v1/batch/memory.use_hierarchy", "0\n");
  EXPECT_EQ(headroom().limit_bytes(), 1000U);
  cgroups_.write("v1/batch/memory.use_hierarchy", "1\n");
  EXPECT_EQ(headroom().limit_bytes(), 10U);
}

TEST_F(Cgroups, WithoutAHierarchyOrAGroupThereIsNone) {
  EXPECT_THAT(limits_on_the_way_up(cgroups_.files), IsEmpty()) << "no files at all";
  cgroups_.write("mounts", "proc /proc proc rw 0 0\nshort\n");
  cgroups_.write("own", "nonsense\n::\n:\n");
  EXPECT_THAT(limits_on_the_way_up(cgroups_.files), IsEmpty());
  EXPECT_FALSE(find_cgroup(CgroupVersion::v2, cgroups_.files));
}

TEST_F(Cgroups, LimitFilesNameTheirGroup) {
  EXPECT_EQ(Cgroup::of_limit_file("/g/memory.high")->folder(), "/g");
  EXPECT_EQ(Cgroup::of_limit_file("/g/memory.max")->version(), CgroupVersion::v2);
  EXPECT_EQ(Cgroup::of_limit_file("/g/memory.limit_in_bytes")->version(), CgroupVersion::v1);
  EXPECT_FALSE(Cgroup::of_limit_file("RLIMIT_DATA"));
  EXPECT_FALSE(Cgroup::of_limit_file("given"));
}

TEST_F(Cgroups, ReadsAllocateNothing) {
  v2("/pod/container");
  group("v2/pod/container", "1000", "900", 100);
  group("v2/pod", "2000", "max", 500);
  const MemoryHeadroom chosen = headroom();
  const Cgroup pod(CgroupVersion::v2, folder_.path() / "v2/pod");
  const std::uint64_t before = thread_allocation_counts().calls;
  EXPECT_EQ(chosen.used_bytes(), 100U);
  EXPECT_EQ(pod.limit(), 2000U);
  static_cast<void>(pod.usage());
  static_cast<void>(pod.oom_kills());
  static_cast<void>(process_memory(::getpid()));
  static_cast<void>(own_data_bytes());
  EXPECT_EQ(thread_allocation_counts().calls, before);
}

// What the child does, in a process of its own: an exit status of 0 is right.
template <class Child>
int status_of(Child child) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(child());
  int status = -1;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(Cgroups, UnderRlimitDataTheUseIsTheKernelsCount) {
  constexpr std::size_t step = std::size_t{64} << 20;
  const auto child = [this] {
    const std::uint64_t before = own_data_bytes().value_or(0);
    const rlimit limit{before + 4 * step, before + 4 * step};
    if (before == 0 || ::setrlimit(RLIMIT_DATA, &limit) != 0) return 1;
    const MemoryHeadroom chosen = headroom();
    if (chosen.source() != "RLIMIT_DATA" || chosen.limit_bytes() != limit.rlim_cur) return 2;
    const std::uint64_t used = chosen.used_bytes();
    if (used < before) return 3;
    constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    if (::mmap(nullptr, step, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED) return 4;
    if (chosen.used_bytes() != used + step) return 5;
    // What is left is what the kernel still gives.
    const std::uint64_t room = chosen.limit_bytes() - chosen.used_bytes();
    if (::mmap(nullptr, room + 4096, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED) return 6;
    return ::mmap(nullptr, room, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED ? 0 : 7;
  };
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's shadow is data, too";
#endif
  EXPECT_EQ(status_of(child), 0);
}

// Then /proc/self has no figures any more.
TEST_F(Cgroups, AProcessWhoseMainThreadHasEndedIsStillMeasured) {
  const auto child = [] {
    std::thread([] {
      while (kernel_file::number_behind("/proc/self/status", "VmRSS")) std::this_thread::yield();  // until it has ended
      const auto memory = process_memory(::getpid());
      if (!memory || memory->rss_bytes == 0 || own_rss_bytes() == 0) ::_exit(1);
      ::_exit(own_data_bytes().value_or(0) > 0 ? 0 : 2);
    }).detach();
    ::syscall(SYS_exit, 0);  // of this thread alone
    return 3;
  };
  EXPECT_EQ(status_of(child), 0);
}

}  // namespace
}  // namespace plateau::testing
