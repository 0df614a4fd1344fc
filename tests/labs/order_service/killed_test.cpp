// Protects the machine: a lab that is killed without a chance to clean up leaves no process and no cgroup.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tests/labs/lab_process.hpp"
#include "tests/labs/served_lab.hpp"

namespace plateau::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;

// Processes that run the lab's program, the lab itself included; not what has ended and waits to be asked for.
std::vector<pid_t> running() {
  std::vector<pid_t> pids;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    std::error_code error;  // it may just end
    if (pid > 0 && fs::read_symlink(entry.path() / "exe", error) == fs::canonical(ORDER_SERVICE)) pids.push_back(pid);
  }
  return pids;
}

bool is_watcher(pid_t pid) {
  return read_text("/proc/" + std::to_string(pid) + "/comm") == "plateau-watcher\n";
}

bool contains(const std::vector<pid_t>& pids, pid_t pid) {
  return std::find(pids.begin(), pids.end(), pid) != pids.end();
}

// Until it is so, or ctest gives up.
template <class Condition>
void wait_until(Condition holds) {
  while (!holds()) std::this_thread::yield();
}

// `PROGRAM run` with an arm at work.
class RunningLab {
 public:
  RunningLab() : program_({ORDER_SERVICE, "run", "--hours", "24"}) {
    while (program_.read_line().find("RSS") == std::string::npos) {
    }
  }
  pid_t pid() const { return program_.pid(); }
  void kill() {
    program_.signal(SIGKILL);
    EXPECT_EQ(program_.wait(), 128 + SIGKILL);
  }

 private:
  ChildProgram program_;
};

class Killed : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(running(), IsEmpty()) << "another lab runs: its processes would be counted"; }
};

TEST_F(Killed, AnExperimentLeavesNoProcessAndNoCgroup) {
  RunningLab lab;
  const bool has_cgroup = !cgroups_of(lab.pid()).empty();
  EXPECT_GE(running().size(), has_cgroup ? 3U : 2U) << "the lab, its arm, and the watcher of its group";
  lab.kill();
  wait_until([] { return running().empty(); });
  EXPECT_THAT(cgroups_of(lab.pid()), IsEmpty());
}

TEST_F(Killed, AServiceLeavesNoProcessAndNoCgroup) {
  ServedLab lab(ORDER_SERVICE, {});
  const pid_t pid = lab.program().pid();
  lab.program().signal(SIGKILL);
  lab.program().wait();
  wait_until([] { return running().empty(); });
  EXPECT_THAT(cgroups_of(pid), IsEmpty());
}

TEST_F(Killed, TogetherWithTheWatcherTheGroupStaysUntilTheNextRun) {
  pid_t killed = -1;
  {
    RunningLab lab;
    killed = lab.pid();
    if (cgroups_of(killed).empty()) GTEST_SKIP() << "no cgroup can be made here";
    const std::vector<pid_t> all = running();
    const auto watcher = std::find_if(all.begin(), all.end(), is_watcher);
    ASSERT_NE(watcher, all.end());
    ::kill(*watcher, SIGKILL);
    wait_until([&] { return !contains(running(), *watcher); });
    lab.kill();
  }
  wait_until([] { return running().empty(); });
  EXPECT_FALSE(cgroups_of(killed).empty());
  const Finished next = run(ORDER_SERVICE, {"run", "--hours", "0.05"});
  EXPECT_EQ(next.error, "");
  EXPECT_THAT(cgroups_of(killed), IsEmpty());
  EXPECT_THAT(cgroups_of(next.pid), IsEmpty());
  EXPECT_THAT(running(), IsEmpty());
}

}  // namespace
}  // namespace plateau::testing
