// Protects the agent's first rule: the outcome of a program is the same with it as without, whatever the program does
// with its signals, timers, descriptors and limits, and whenever a profile is being taken.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <string>
#include <vector>

#include "tests/profiling/flood.hpp"
#include "tests/profiling/http_client.hpp"
#include "tests/support/child_program.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> python(const std::string& script) {
  return {"/usr/bin/python3", "-c",
          "import ctypes, os, signal, sys, threading, time\n"
          "def spin(seconds):\n"
          "    end = time.process_time() + seconds\n"
          "    while time.process_time() < end: sum(range(1000))\n"
          "def say(what): print(what, flush=True)\n" +
              script};
}

// With the agent, at a port that is free, which it says on standard error.
class Host : public ChildProgram {
 public:
  explicit Host(const std::string& script, const std::string& libraries = {})
      : ChildProgram(python(script), {"LD_PRELOAD=" + libraries + AGENT, "PLATEAU_PPROF=127.0.0.1:0",
                                      "PLATEAU_PPROF_VERBOSE=1", "CPUPROFILE_FREQUENCY=1000"}) {
    const std::string line = read_error_line();
    const std::string words = "listening on port ";
    const auto at = line.find(words);
    if (at == std::string::npos) throw std::runtime_error("the agent said: " + line);
    port_ = static_cast<std::uint16_t>(std::stoi(line.substr(at + words.size())));
  }
  HttpReply cpu_profile(int seconds) const {
    return get(port_, "/debug/pprof/profile?seconds=" + std::to_string(seconds));
  }
  // One that the program does not wait for, and that may end with the program.
  std::future<void> begin_cpu_profile(int seconds) const {
    return std::async(std::launch::async, [port = port_, seconds] {
      try {
        get(port, "/debug/pprof/profile?seconds=" + std::to_string(seconds));
      } catch (const std::exception&) {
      }
    });
  }

  std::uint16_t port() const { return port_; }

 private:
  std::uint16_t port_ = 0;
};

// Until a CPU profile is being taken, which shows in the agent's threads alone.
const std::string until_profiled =
    "def is_profiled():\n"
    "    for task in os.listdir('/proc/self/task'):\n"
    "        try:\n"
    "            if open('/proc/self/task/%s/comm' % task).read() == 'plateau-cpu\\n': return True\n"
    "        except OSError: pass\n"
    "while not is_profiled(): pass\n";

TEST(AgentHost, ExecutesAnotherProgramInTheMiddleOfACpuProfile) {
  Host host(until_profiled +
            "spin(0.2)\n"
            "os.execv('/usr/bin/python3', ['python3', '-c', 'import sys\\nsum(range(30000000))\\nsys.exit(7)'])\n");
  const auto profile = host.begin_cpu_profile(5);
  EXPECT_EQ(host.wait(), 7);
}

TEST(AgentHost, EndsInTheMiddleOfACpuProfileInSilence) {
  Host host(until_profiled + "spin(0.2)\nsys.exit(5)\n");
  const auto profile = host.begin_cpu_profile(30);
  EXPECT_EQ(host.wait(), 5);
  EXPECT_EQ(host.rest_of_error(), "");
}

TEST(AgentHost, HasItsSignalBackAfterACpuProfile) {
  Host host(
      "def state(): return [line for line in open('/proc/self/status') if line.startswith(('SigCgt', 'SigIgn'))]\n"
      "before = state()\n"
      "threading.Thread(target=spin, args=(60,), daemon=True).start()\n"
      "say('ready')\n"
      "sys.stdin.readline()\n"
      "say(state() == before)\n"
      "os._exit(0)\n");
  EXPECT_EQ(host.read_line(), "ready");
  for (int round = 0; round < 2; ++round) EXPECT_EQ(host.cpu_profile(1).result_int(), 200U);
  host.write_line("");
  EXPECT_EQ(host.read_line(), "True");
}

// Names are read without help from others: a client for downloads would come with curl, TLS and LDAP.
TEST(AgentHost, HasNoMoreLibrariesAfterAProfile) {
  Host host(
      "def libraries(): return {line.split()[-1] for line in open('/proc/self/maps') if ' r-xp ' in line}\n"
      "before = libraries()\n"
      "threading.Thread(target=spin, args=(60,), daemon=True).start()\n"
      "say('ready')\n"
      "sys.stdin.readline()\n"
      "say(sorted(libraries() - before))\n"
      "os._exit(0)\n");
  EXPECT_EQ(host.read_line(), "ready");
  EXPECT_EQ(host.cpu_profile(1).result_int(), 200U);
  host.write_line("");
  EXPECT_EQ(host.read_line(), "[]");
}

// Neither in the disposition of a signal, nor among those that wait, nor in sigwait.
TEST(AgentHost, SeesNothingOfACpuProfileInItsSignals) {
  Host host(
      "def state(): return [line for line in open('/proc/self/status') if line.startswith(('SigIgn', 'SigBlk', "
      "'SigPnd'))]\n"
      "signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.valid_signals()))\n"
      "before = state()\n" +
      until_profiled +
      "spin(0.3)\n"
      "say(signal.getsignal(signal.SIGPROF) == signal.SIG_DFL)\n"
      "action = ctypes.create_string_buffer(1024)\n"
      "ctypes.CDLL(None).sigaction(signal.SIGPROF, None, action)\n"
      "say(action.raw[:8] == bytes(8))\n"
      "say(signal.sigpending())\n"
      "say(signal.sigtimedwait(signal.valid_signals(), 0.1))\n"
      "say(state() == before)\n"
      "os._exit(3)\n");
  const auto profile = host.begin_cpu_profile(5);
  for (const char* const line : {"True", "True", "set()", "None", "True"}) EXPECT_EQ(host.read_line(), line);
  EXPECT_EQ(host.wait(), 3);
}

class ChangeOfUser : public ::testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(AgentHost, ChangeOfUser, ::testing::Values("", "libtcmalloc.so.4:"),
                         [](const auto& one) { return std::string(*one.param == '\0' ? "glibc" : "tcmalloc"); });

// The agent's threads can do less than a program that keeps capabilities, and glibc ends a process whose threads
// differ. tcmalloc brings libunwind, where glibc's way to leave threads out cannot be used.
TEST_P(ChangeOfUser, KeepsCapabilitiesAndTheAgentFollows) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root: a user to change from";
  Host host(
      "libc = ctypes.CDLL(None)\n"
      "def users(): return sorted({line.split()[1] for task in os.listdir('/proc/self/task') for line in "
      "open('/proc/self/task/%s/status' % task) if line.startswith('Uid')})\n"
      "libc.prctl(8, 1, 0, 0, 0)\n"
      "say(libc.setresuid(63999, 63999, 63999))\n"
      "say(users())\n"
      "header = (ctypes.c_uint32 * 2)(0x20080522, 0)\n"
      "sets = (ctypes.c_uint32 * 6)()\n"
      "libc.capget(header, sets)\n"
      "sets[0], sets[3] = sets[1], sets[4]\n"
      "libc.capset(header, sets)\n"
      "say(libc.setresgid(63999, 63999, 63999))\n"
      "say(os.getresgid())\n"
      "os._exit(3)\n",
      GetParam());
  for (const char* const line : {"0", "['63999']", "0", "(63999, 63999, 63999)"}) EXPECT_EQ(host.read_line(), line);
  EXPECT_EQ(host.wait(), 3);
}

// The agent's threads are not the program's: with the last of those the process ends, with status 0.
TEST(AgentHost, EndsWithItsLastThreadWhenTheMainThreadHasLeft) {
  const std::vector<std::string> program = python(
      "signal.alarm(20)\n"  // ends a process that stays
      "def last():\n"
      "    time.sleep(0.2)\n"
      "    os.write(1, b'last\\n')\n"
      "threading.Thread(target=last, daemon=True).start()\n"
      "ctypes.CDLL(None).pthread_exit(None)\n");
  const Finished alone = run_to_end(program);
  const Finished with = run_to_end(program, {std::string("LD_PRELOAD=") + AGENT, "PLATEAU_PPROF=127.0.0.1:0"});
  EXPECT_EQ(alone.status, 0) << alone.error;
  EXPECT_EQ(with.status, alone.status) << with.error;
  EXPECT_EQ(with.out, alone.out);
}

TEST(AgentHost, KeepsASignalAndATimerThatItTakesAfterTheFirstProfile) {
  Host host(
      "threading.Thread(target=spin, args=(60,), daemon=True).start()\n"
      "say('ready')\n"
      "sys.stdin.readline()\n"
      "ticks = 0\n"
      "def tick(*_):\n"
      "    global ticks\n"
      "    ticks += 1\n"
      "signal.signal(signal.SIGPROF, tick)\n"
      "signal.setitimer(signal.ITIMER_PROF, 0.01, 0.01)\n"
      "say('own')\n"
      "sys.stdin.readline()\n"
      "spin(0.2)\n"
      "say((ticks > 0, round(signal.getitimer(signal.ITIMER_PROF)[1], 3)))\n"
      "os._exit(0)\n");
  EXPECT_EQ(host.read_line(), "ready");
  EXPECT_EQ(host.cpu_profile(1).result_int(), 200U);
  host.write_line("");
  EXPECT_EQ(host.read_line(), "own");
  const HttpReply refused = host.cpu_profile(1);
  EXPECT_EQ(refused.result_int(), 501U);
  EXPECT_THAT(refused.body(), HasSubstr("SIGPROF"));
  host.write_line("");
  EXPECT_EQ(host.read_line(), "(True, 0.01)");
}

class Descriptors : public ::testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(AgentHost, Descriptors, ::testing::Values("", "libtcmalloc.so.4:", "libjemalloc.so.2:"),
                         [](const auto& one) { return std::string(*one.param == '\0' ? "glibc" : one.param, 0, 5); });

TEST_P(Descriptors, AreTheProgramsOwnAndNobodyWritesIntoThem) {
  const ScratchFolder folder;
  Host host(
      "say(sorted(os.listdir('/proc/self/fd')))\n"
      "sys.stdin.readline()\n"
      "os.closerange(3, 256)\n"
      "files = [open('" +
          folder.path().string() +
          "/%d' % i, 'w+b', buffering=0) for i in range(6)]\n"
          "for file in files: file.write(b'important')\n"
          "say('open')\n"
          "for _ in range(4): threading.Thread(target=spin, args=(60,), daemon=True).start()\n"
          "sys.stdin.readline()\n"
          "say([os.pread(file.fileno(), 100, 0) == b'important' for file in files] == 6 * [True])\n"
          "os._exit(0)\n",
      GetParam());
  const Finished plain =
      run_to_end(python("say(sorted(os.listdir('/proc/self/fd')))"), {std::string("LD_PRELOAD=") + GetParam()});
  EXPECT_EQ(host.read_line() + "\n", plain.out);
  EXPECT_EQ(host.cpu_profile(1).result_int(), 200U);
  host.write_line("");
  EXPECT_EQ(host.read_line(), "open");
  EXPECT_EQ(host.cpu_profile(1).result_int(), 200U);
  host.write_line("");
  EXPECT_EQ(host.read_line(), "True");
}

class Limits : public ::testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(AgentHost, Limits,
                         ::testing::Values("-v 70000", "-v 80000", "-v 90000", "-v 120000", "-v 200000", "-v 400000",
                                           "-d 10000", "-d 20000", "-d 40000", "-n 32", "-l 0", "-s 128", "-i 0"),
                         [](const auto& one) { return std::string(1, one.param[1]) + one.param.substr(3); });

// Within a limit, a program is served or is not; it begins and ends as it would.
TEST_P(Limits, LetTheProgramRun) {
  const std::string command = "ulimit " + GetParam() + " && exec sqlite3 :memory: 'select 1+1'";
  const Finished alone = run_to_end({"bash", "-c", command});
  const Finished with = run_to_end({"timeout", "-s", "KILL", "60", "bash", "-c",
                                    "ulimit " + GetParam() + " && export LD_PRELOAD=" + AGENT +
                                        " PLATEAU_PPROF=127.0.0.1:0 && exec sqlite3 :memory: 'select 1+1'"});
  EXPECT_EQ(with.status, alone.status);
  EXPECT_EQ(with.out, alone.out);
  EXPECT_EQ(with.error, alone.error);
}

TEST(AgentHost, RunsWhereItMayHaveNoThreads) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root: a user of its own, whose processes are counted";
  for (int threads = 1; threads <= 5; ++threads) {
    const std::string user = std::to_string(600000 + ::getpid() % 90000 * 6 + threads);
    const Finished with =
        run_to_end({"timeout", "-s", "KILL", "60", "setpriv", "--reuid", user, "--clear-groups", "bash", "-c",
                    "ulimit -u " + std::to_string(threads) + " && export LD_PRELOAD=" + AGENT +
                        " PLATEAU_PPROF=127.0.0.1:0 PLATEAU_PPROF_VERBOSE=1 && exec sqlite3 :memory: 'select 1+1'"});
    EXPECT_EQ(with.status, 0) << threads << with.error;
    EXPECT_EQ(with.out, "2\n") << threads;
    if (threads == 1) {
      EXPECT_THAT(with.error, HasSubstr("cannot start a thread"));
    }
  }
}

TEST(AgentHost, TakesNoMemoryForRequestsThatDoNotEnd) {
  Host host("say('ready')\nsys.stdin.readline()\n");
  EXPECT_EQ(host.read_line(), "ready");
  get(host.port(), "/debug/pprof/cmdline");
  for (const Flood& flood : floods("/debug/pprof/symbol")) {
    const FloodCost cost = send_flood(flood, host.port(), host.pid());
    EXPECT_THAT(cost.status, ::testing::AnyOf(413U, 431U)) << flood.name;
    EXPECT_LT(cost.grown_kb, 16 * 1024) << flood.name;
  }
}

// What is resident and may not be taken away; what is merely reserved costs nobody a page. The agent's code is resident
// then; its tables are mapped as they fill, and stacks are not touched. Nor are the files that it reads names from,
// whether they are mapped before or come after.
class Locking : public ::testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(
    AgentHost, Locking, ::testing::Values(MCL_CURRENT | MCL_FUTURE, MCL_CURRENT, MCL_FUTURE), [](const auto& one) {
      return std::string(one.param == MCL_CURRENT ? "current" : one.param == MCL_FUTURE ? "future" : "both");
    });

TEST_P(Locking, PinsTheProgramsMemory) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root to lock memory";
  const std::string locking =
      "say('ready')\n"
      "sys.stdin.readline()\n"
      "say(ctypes.CDLL(None).mlockall(" +
      std::to_string(GetParam()) +
      "))\n"
      "kept = ['x' * 1000 for _ in range(10000)]\n"
      "has_its_heap = threading.Event()\n"
      "def work():\n"
      "  global block\n"
      "  block = bytearray(5000)\n"
      "  has_its_heap.set()\n"
      "  spin(60)\n"
      "threading.Thread(target=work, daemon=True).start()\n"
      "has_its_heap.wait()\n"
      "sys.stdin.readline()\n"
      "say(sum(int(line.split()[1]) for line in open('/proc/self/smaps') if line.startswith('Locked:')))\n"
      "os._exit(0)\n";
  const auto locked_kb = [](ChildProgram& program, const auto& before_and_after) {
    EXPECT_EQ(program.read_line(), "ready");
    before_and_after();
    program.write_line("");
    EXPECT_EQ(program.read_line(), "0");
    before_and_after();
    program.write_line("");
    return std::stol(program.read_line());
  };
  ChildProgram alone(python(locking));
  Host host(locking);
  const long with = locked_kb(host, [&host] { EXPECT_EQ(host.cpu_profile(1).result_int(), 200U); });
  EXPECT_LT(with - locked_kb(alone, [] {}), 32 * 1024);
}

// The limit is of all that is mapped, and the agent has more of that than most programs.
TEST(AgentHost, MayLockItsMemoryWithinALimit) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root for another user";
  const ScratchFolder folder;
  const std::string program = folder / "locks_memory";  // where anybody may run it
  std::filesystem::copy(std::string(FIXTURES) + "/locks_memory", program);
  std::filesystem::permissions(folder.path(), std::filesystem::perms{0755});
  const std::vector<std::string> command = {"prlimit", "--memlock=8388608", "setpriv", "--reuid",
                                            "63999",   "--clear-groups",    program};
  const Finished alone = run_to_end(command);
  const Finished with = run_to_end(command, {std::string("LD_PRELOAD=") + AGENT, "PLATEAU_PPROF=127.0.0.1:0"});
  EXPECT_EQ(alone.out, "0\n") << alone.error;
  EXPECT_EQ(with.out, alone.out) << with.error;
}

}  // namespace
}  // namespace plateau::testing
