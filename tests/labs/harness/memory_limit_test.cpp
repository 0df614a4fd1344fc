// Protects the choice of the limit and its cleaning up, on a made-up cgroup hierarchy; the real kernel is in the
// end-to-end tests.
#include "labs/harness/arm/memory_limit.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/scratch_folder.hpp"

namespace plateau::harness {
namespace {
namespace fs = std::filesystem;

class MemoryLimitTest : public ::testing::Test {
 protected:
  CgroupFiles places(const std::string& mounts, const std::string& groups) {
    write(root_ / "mounts", mounts);
    write(root_ / "cgroup", groups);
    return {root_ / "mounts", root_ / "cgroup"};
  }
  static void write(const fs::path& file, const std::string& text) { std::ofstream(file) << text; }

  const plateau::testing::ScratchFolder scratch_;
  const fs::path root_ = scratch_.path();
};

TEST_F(MemoryLimitTest, WithoutACgroupTheLimitIsRlimitData) {
  const MemoryLimit limit(64 << 20, "test", places("proc /proc proc rw 0 0\n", "0::/\n"));
  EXPECT_EQ(limit.kind(), LimitKind::rlimit_data);
  EXPECT_FALSE(limit.killed());
  EXPECT_TRUE(limit.evidence().empty());
  const pid_t child = ::fork();
  if (child == 0) {
    rlimit got{};
    const bool entered = limit.enter() && ::getrlimit(RLIMIT_DATA, &got) == 0 && got.rlim_cur == 64 << 20;
    ::_exit(entered ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(MemoryLimitTest, NoLimitAndNoCgroupIsNone) {
  const MemoryLimit limit(std::nullopt, "test", places("", ""));
  EXPECT_EQ(limit.kind(), LimitKind::none);
  EXPECT_TRUE(limit.enter());
}

TEST_F(MemoryLimitTest, AGroupThatCannotBeLimitedIsLeftAloneAndRemoved) {
  // A plain folder stands in for the mount: there is no memory.max in a new folder, so the group is useless.
  fs::create_directories(root_ / "v2/own");
  write(root_ / "v2/own/cgroup.subtree_control", "cpu memory\n");
  const MemoryLimit limit(64 << 20, "test",
                          places("cgroup2 " + (root_ / "v2").string() + " cgroup2 rw 0 0\n", "0::/own\n"));
  EXPECT_EQ(limit.kind(), LimitKind::rlimit_data);
  for (const auto& entry : fs::directory_iterator(root_ / "v2/own")) EXPECT_FALSE(entry.is_directory()) << entry.path();
}

TEST_F(MemoryLimitTest, OrphansOfDeadRunsAreRemovedAndOthersStay) {
  fs::create_directories(root_ / "v1/plateau-999999999-before");  // no such process
  fs::create_directories(root_ / ("v1/plateau-" + std::to_string(::getpid()) + "-other"));
  fs::create_directories(root_ / "v1/somebody-else");
  const MemoryLimit limit(64 << 20, "test",
                          places("cgroup " + (root_ / "v1").string() + " cgroup rw,memory 0 0\n", "4:memory:/\n"));
  EXPECT_FALSE(fs::exists(root_ / "v1/plateau-999999999-before"));
  EXPECT_TRUE(fs::exists(root_ / ("v1/plateau-" + std::to_string(::getpid()) + "-other")));
  EXPECT_TRUE(fs::exists(root_ / "v1/somebody-else"));
}

// The group that the process is in, of the version that has limits here.
fs::path group_of(pid_t process, LimitKind kind) {
  const CgroupFiles files{.own_groups = "/proc/" + std::to_string(process) + "/cgroup"};
  const CgroupVersion version = kind == LimitKind::cgroup_v2 ? CgroupVersion::v2 : CgroupVersion::v1;
  return find_cgroup(version, files).value().own;
}

bool has_cgroup(LimitKind kind) {
  return kind == LimitKind::cgroup_v1 || kind == LimitKind::cgroup_v2;
}

TEST(MemoryLimit, WhenItsMakerIsKilledTheGroupGoesAndWhatIsInIt) {
  const LimitKind kind = MemoryLimit(64 << 20, "probe").kind();
  if (!has_cgroup(kind)) GTEST_SKIP() << "no cgroup with a memory limit can be made here";
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);  // so that what the maker leaves is waited for here
  int told[2];
  ASSERT_EQ(::pipe(told), 0);
  const pid_t maker = ::fork();
  if (maker == 0) {
    const MemoryLimit limit(64 << 20, "watched");
    if (::fork() == 0) {
      const pid_t own = ::getpid();
      if (!limit.enter() || ::write(told[1], &own, sizeof own) != sizeof own) ::_exit(1);
    }
    for (;;) ::pause();
  }
  ::close(told[1]);
  pid_t inside = -1;
  ASSERT_EQ(::read(told[0], &inside, sizeof inside), sizeof inside);
  ::close(told[0]);
  const fs::path group = group_of(inside, kind);
  EXPECT_TRUE(group.filename().string().starts_with("plateau-" + std::to_string(maker) + "-")) << group;

  ::kill(maker, SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(maker, &status, 0), maker);
  ASSERT_EQ(::waitpid(inside, &status, 0), inside);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  ASSERT_GT(::waitpid(-1, &status, 0), 0) << "the watcher";
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(fs::exists(group));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "nothing else is left";
}

TEST(MemoryLimit, WhenItsMakerRemovesTheGroupTheWatcherGoesToo) {
  {
    const MemoryLimit limit(64 << 20, "unwatched");
    if (!has_cgroup(limit.kind())) GTEST_SKIP() << "no cgroup with a memory limit can be made here";
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), 0) << "the watcher runs";
  }
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "and has been waited for";
}

TEST(LimitKind, NamesAreThoseOfTheResult) {
  EXPECT_EQ(to_string(LimitKind::cgroup_v2), "cgroup_v2");
  EXPECT_EQ(to_string(LimitKind::cgroup_v1), "cgroup_v1");
  EXPECT_EQ(to_string(LimitKind::rlimit_data), "rlimit_data");
  EXPECT_EQ(to_string(LimitKind::none), "none");
}

}  // namespace
}  // namespace plateau::harness
