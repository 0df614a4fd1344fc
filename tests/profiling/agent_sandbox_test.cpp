// Protects programs in sandboxes, and those that make one: they are served where that can be, and do what they would.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/profiling/served_program.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Forbidden {
  const char* name;
  long first;
  long second;
  int error;
};

// The two system calls give the error from then on, in this process and in what it executes.
bool forbid(const Forbidden& what) {
  const std::array<sock_filter, 6> filter{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(what.first), 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(what.second), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(what.error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog program{filter.size(), const_cast<sock_filter*>(filter.data())};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

class Seccomp : public ::testing::TestWithParam<Forbidden> {};

INSTANTIATE_TEST_SUITE_P(AgentSandbox, Seccomp,
                         ::testing::Values(Forbidden{"close_range_EPERM", SYS_close_range, SYS_close_range, EPERM},
                                           Forbidden{"close_range_ENOSYS", SYS_close_range, SYS_close_range, ENOSYS},
                                           Forbidden{"close_range_and_unshare", SYS_close_range, SYS_unshare, EPERM},
                                           Forbidden{"unshare", SYS_unshare, SYS_unshare, EPERM},
                                           Forbidden{"clone3", SYS_clone3, SYS_clone3, ENOSYS},
                                           Forbidden{"perf_event_open", SYS_perf_event_open, SYS_perf_event_open,
                                                     EPERM},
                                           Forbidden{"memfd_create", SYS_memfd_create, SYS_memfd_create, EPERM},
                                           Forbidden{"eventfd2", SYS_eventfd2, SYS_eventfd, ENOSYS},
                                           Forbidden{"flock", SYS_flock, SYS_flock, EPERM},
                                           Forbidden{"pidfd_open", SYS_pidfd_open, SYS_openat2, ENOSYS}),
                         [](const auto& one) { return std::string(one.param.name); });

TEST_P(Seccomp, TheProgramIsServed) {
  for (const char* const libraries : {"", "libjemalloc.so.2:"}) {
    Environment environment =
        with_agent(libraries, "127.0.0.1:0", {"PLATEAU_PPROF_VERBOSE=1", "MALLOC_CONF=prof:true,lg_prof_sample:12"});
    ChildProgram program(python("kept = ['x' * 100000 for i in range(100)]\n" + until_end_of_input),
                         ProgramOptions{.environment = environment, .enter = [] { return forbid(GetParam()); }});
    const std::uint16_t port = port_in(program.read_error_line());
    EXPECT_EQ(program.read_line(), "ready");
    for (const char* const target :
         {"/debug/pprof/heap", "/debug/pprof/profile?seconds=1", "/debug/pprof/rss", "/debug/footprint", "/metrics"}) {
      EXPECT_EQ(get(port, target).result_int(), 200U) << target << " " << libraries;
    }
    EXPECT_EQ(program.wait(), 0);
    EXPECT_EQ(program.rest_of_error(), "");
  }
}

TEST_P(Seccomp, TheProgramSeesItsOwnDescriptors) {
  if (GetParam().first == SYS_close_range && GetParam().second == SYS_unshare) {
    GTEST_SKIP() << "there the agent's descriptors are among the program's, which the README says";
  }
  const std::vector<std::string> program = python("print(sorted(os.listdir('/proc/self/fd')))");
  const auto enter = [] { return forbid(GetParam()); };
  const Finished alone = ChildProgram(program, ProgramOptions{.enter = enter}).finish();
  const Finished with = ChildProgram(program, ProgramOptions{.environment = with_agent(), .enter = enter}).finish();
  EXPECT_EQ(with.status, 0);
  EXPECT_EQ(with.out, alone.out);
}

const std::string call_library = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n";

class Chroot : public ::testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(AgentSandbox, Chroot, ::testing::Values("", "libjemalloc.so.2:"),
                         [](const auto& one) { return std::string(*one.param == '\0' ? "glibc" : "jemalloc"); });

// Its file, its debug information and /proc are out of its reach, and not out of the agent's.
TEST_P(Chroot, IntoAnEmptyFolderLeavesTheNames) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root to chroot";
  const ScratchFolder folder;
  ChildProgram program(python("os.chroot('" + folder.path().string() +
                              "')\n"
                              "os.chdir('/')\n"
                              "kept = ['x' * 100000 for i in range(500)]\n"
                              "print(os.listdir('/'), flush=True)\n"
                              "sys.stdin.read()\n"),
                       with_agent(GetParam(), "unix:" + (folder / "socket"),
                                  {"PLATEAU_PPROF_VERBOSE=1", "MALLOC_CONF=prof:true,lg_prof_sample:16"}));
  program.read_error_line();
  EXPECT_EQ(program.read_line(), "['socket']");
  EXPECT_THAT(get(folder / "socket", "/debug/pprof/heap?debug=1").body(), HasSubstr("PyEval_"));
  for (const char* const target :
       {"/debug/footprint", "/debug/pprof/rss", "/debug/pprof/profile?seconds=1", "/debug/pprof/cmdline"}) {
    EXPECT_EQ(get(folder / "socket", target).result_int(), 200U) << target;
  }
  EXPECT_EQ(program.wait(), 0);
  EXPECT_FALSE(std::filesystem::exists(folder / "socket")) << "removed from inside";
}

TEST(AgentSandbox, ItsFolderAndItsUmaskAreItsOwn) {
  Served program(
      python("os.umask(0o27)\n"
             "os.chdir('/usr')\n" +
             until_end_of_input + "print(os.getcwd(), oct(os.umask(0)))\n"));
  EXPECT_EQ(program.read_line(), "ready");
  EXPECT_EQ(program.status("/debug/pprof/heap"), 200U);
  EXPECT_EQ(program.wait(), 0);
  EXPECT_EQ(program.rest_of_output(), "/usr 0o27\n");
}

struct Call {
  const char* name;
  const char* script;
};

class CallOfOneThread : public ::testing::TestWithParam<Call> {};

INSTANTIATE_TEST_SUITE_P(
    AgentSandbox, CallOfOneThread,
    ::testing::Values(Call{"unshare_user", "say(libc.unshare(0x10000000))"},
                      Call{"unshare_user_mount_and_files", "say(libc.unshare(0x10000000 | 0x20000 | 0x400))"},
                      Call{"unshare_user_and_processes",
                           "say(libc.unshare(0x10000000 | 0x20000000))\n"
                           "child = os.fork()\n"
                           "if child == 0: os._exit(os.getpid())\n"
                           "say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"},
                      Call{"unshare_thread", "say(libc.unshare(0x10000))"},
                      Call{"unshare_memory", "say(libc.unshare(0x100))"},
                      Call{"setns_mount", "say(libc.setns(os.open('/proc/self/ns/mnt', os.O_RDONLY), 0x20000))"},
                      Call{"setns_any_mount", "say(libc.setns(os.open('/proc/self/ns/mnt', os.O_RDONLY), 0))"},
                      Call{"setns_time", "say(libc.setns(os.open('/proc/self/ns/time', os.O_RDONLY), 0x80))"},
                      Call{"setns_user",  // into that of a child; twice is refused
                           "read, write = os.pipe()\n"
                           "child = os.fork()\n"
                           "if child == 0:\n"
                           "    libc.unshare(0x10000000)\n"
                           "    os.write(write, b'x')\n"
                           "    signal.pause()\n"
                           "os.read(read, 1)\n"
                           "say(libc.setns(os.open('/proc/%d/ns/user' % child, os.O_RDONLY), 0x10000000))\n"
                           "say(libc.setns(os.open('/proc/self/ns/user', os.O_RDONLY), 0x10000000))\n"
                           "os.kill(child, signal.SIGKILL)"},
                      Call{"of_two_threads",  // is refused with the agent and without
                           "import threading\n"
                           "threading.Thread(target=signal.pause, daemon=True).start()\n"
                           "say(libc.unshare(0x10000000))"},
                      Call{"unshare_nonsense", "say(libc.unshare(1))"},
                      Call{"setns_nonsense", "say(libc.setns(-1, 0))"},
                      Call{"unshare_user_past_the_library", "say(libc.syscall(272, 0x10000000))"},
                      Call{"setns_mount_past_the_library",
                           "say(libc.syscall(308, os.open('/proc/self/ns/mnt', os.O_RDONLY), 0x20000))"},
                      Call{"other_calls_past_the_library",  // with six arguments, and one that fails
                           "libc.syscall.restype = ctypes.c_long\n"
                           "say(libc.syscall(39) == os.getpid())\n"
                           "say(libc.syscall(9, None, ctypes.c_long(4096), 3, 0x22, -1, ctypes.c_long(0)) > 0)\n"
                           "say(libc.syscall(3, -1))\n"
                           "say(libc.syscall(100000))"},
                      Call{"setresuid_past_the_library",
                           "if os.getuid() == 0: libc.syscall(117, 63999, 63999, 63999)\n"
                           "say(os.getresuid())"}),
    [](const auto& one) { return std::string(one.param.name); });

TEST_P(CallOfOneThread, GivesWhatItGivesWithoutTheAgent) {
  const std::vector<std::string> program =
      python(call_library + "def say(what): print(what, ctypes.get_errno() if what == -1 else '', flush=True)\n" +
             GetParam().script + "\nos._exit(3)\n");
  const Finished alone = run_to_end(program);
  const Finished with = run_to_end(program, with_agent());
  EXPECT_EQ(with.status, alone.status);
  EXPECT_EQ(with.out, alone.out);
  EXPECT_EQ(with.error, alone.error);
}

class RestrictsItself : public ::testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(AgentSandbox, RestrictsItself,
                         ::testing::Values("filter", "filter_and_quick_exit", "filter_for_all", "filter_by_prctl",
                                           "filter_for_all_and_quick_exit", "strict", "raw_exit", "raw_exit_of_two"),
                         [](const auto& one) { return std::string(one.param); });

// The kernel kills a process that asks for anything else than the program does from then on.
TEST_P(RestrictsItself, EndsAsItDoesWithoutTheAgent) {
  const std::vector<std::string> program{"timeout", "-s", "KILL", "60", FIXTURES "/restricts_itself", GetParam()};
  const Finished alone = run_to_end(program);
  const Finished with = run_to_end(program, with_agent({}, "127.0.0.1:0", {"PLATEAU_PPROF_PROGRAM=restricts_itself"}));
  EXPECT_LT(alone.status, 128) << "killed";
  EXPECT_EQ(with.status, alone.status);
  EXPECT_EQ(with.out, alone.out);
}

TEST(AgentSandbox, IsServedAgainAfterACallOfOneThread) {
  Served program(python(call_library +
                        "sys.stdin.readline()\n"
                        "print(libc.unshare(0x10000000), flush=True)\n" +
                        until_end_of_input));
  const std::string address = "127.0.0.1:" + std::to_string(program.port());
  EXPECT_EQ(program.status("/debug/pprof/heap"), 200U);
  program.write_line("");
  if (program.read_line() != "0") GTEST_SKIP() << "no user namespaces here";
  EXPECT_EQ(program.read_line(), "ready");
  EXPECT_THAT(program.read_error_line(), HasSubstr("listening on port "));
  EXPECT_EQ(program.wait(), 0);
}

}  // namespace
}  // namespace plateau::testing
