// Protects which processes are served, where, and to whom: chosen programs, free ports, sockets, children, names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/profiling/served_program.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

// A program under a name of the test's own, and a script that starts it.
class Wrapped {
 public:
  Wrapped() {
    fs::copy_file("/usr/bin/sqlite3", folder_ / "orders");
    folder_.write("entry.sh", "#!/bin/sh\n\"$(dirname \"$0\")\"/orders :memory: 'select 1+1'\nexit 7\n");
    folder_.write("entry.py", "#!/usr/bin/env python3\nprint(2)\n");
    fs::permissions(folder_ / "entry.sh", fs::perms::all);
    fs::permissions(folder_ / "entry.py", fs::perms::all);
  }
  // How many processes say that they listen.
  long served(const std::vector<std::string>& arguments, const std::string& programs) const {
    const Finished ended = run_to_end(
        arguments, with_agent({}, "127.0.0.1:0", {"PLATEAU_PPROF_PROGRAM=" + programs, "PLATEAU_PPROF_VERBOSE=1"}));
    long count = 0;
    for (auto at = ended.error.find("listening"); at != std::string::npos; at = ended.error.find("listening", at + 1)) {
      ++count;
    }
    return count;
  }
  std::string operator/(const std::string& name) const { return folder_ / name; }

 private:
  const ScratchFolder folder_;
};

TEST(AgentReach, OnlyTheProgramsThatAreNamedAreServed) {
  const Wrapped wrapped;
  EXPECT_EQ(wrapped.served({wrapped / "entry.sh"}, "orders"), 1);
  EXPECT_EQ(wrapped.served({wrapped / "entry.sh"}, "redis-server, orders"), 1);
  EXPECT_EQ(wrapped.served({wrapped / "entry.sh"}, "entry.sh"), 1) << "the script, and nothing that it starts";
  EXPECT_EQ(wrapped.served({wrapped / "entry.sh"}, "entry.sh,orders"), 2);
  EXPECT_EQ(wrapped.served({wrapped / "entry.sh"}, "order"), 0);
  EXPECT_EQ(wrapped.served({wrapped / "entry.py"}, "entry.py"), 1) << "by way of env, which is another program";
  EXPECT_EQ(wrapped.served({"python3", "-u", "-W", "ignore", wrapped / "entry.py"}, "entry.py"), 1);
  EXPECT_EQ(wrapped.served({"python3", "-m", "this"}, "this"), 1);
  EXPECT_EQ(wrapped.served({"python3", "-c", "0", "orders"}, "orders"), 0) << "an argument is no script";
  EXPECT_EQ(wrapped.served({"true", "orders"}, "orders"), 0);
  EXPECT_EQ(wrapped.served({"bash", "-c", "exec -a orders sleep 0"}, "orders"), 1) << "called so";
}

TEST(AgentReach, ANameThatIsNotThisProgramsChangesNothing) {
  const Wrapped wrapped;
  const Finished alone = run_to_end({wrapped / "entry.sh"});
  const Finished with = run_to_end({wrapped / "entry.sh"}, with_agent({}, "127.0.0.1:0", {"PLATEAU_PPROF_PROGRAM=x"}));
  EXPECT_EQ(with.status, alone.status);
  EXPECT_EQ(with.out, alone.out);
  EXPECT_EQ(with.error, alone.error);
  EXPECT_THAT(
      run_to_end({"true"}, with_agent({}, "127.0.0.1:0", {"PLATEAU_PPROF_PROGRAM=x", "PLATEAU_PPROF_VERBOSE=1"})).error,
      HasSubstr("PLATEAU_PPROF_PROGRAM names other programs, not true"));
}

TEST(AgentReach, TheNextFreePortIsTaken) {
  Served first(python(until_end_of_input));
  const std::string from = "127.0.0.1:" + std::to_string(first.port()) + "+";
  Served second(python(until_end_of_input), with_agent({}, from));
  Served third(python(until_end_of_input), with_agent({}, from));
  EXPECT_GT(second.port(), first.port());
  EXPECT_GT(third.port(), second.port());
  EXPECT_LT(third.port(), first.port() + 64);
  EXPECT_EQ(third.status("/metrics"), 200U);
}

TEST(AgentReach, WhoHasThePortIsSaid) {
  const ScratchFolder folder;
  const std::string runtime = "XDG_RUNTIME_DIR=" + folder.path().string();
  fs::permissions(folder.path(), fs::perms::owner_all);
  Served holder(python(until_end_of_input), {}, {runtime});
  const std::string address = "127.0.0.1:" + std::to_string(holder.port());
  const auto said = [&](const std::string& environment) {
    return run_to_end({"true"}, with_agent({}, address, {environment, "PLATEAU_PPROF_VERBOSE=1"})).error;
  };
  const std::string by = "already in use by python3 (process " + std::to_string(holder.pid()) + ")";
  EXPECT_THAT(said(runtime), HasSubstr(by));
}

TEST(AgentReach, WhoHasThePortIsSaidOfStrangersToo) {
  ChildProgram stranger(
      python("import socket\n"
             "listener = socket.create_server(('127.0.0.1', 0))\n"
             "print(listener.getsockname()[1], flush=True)\n"
             "sys.stdin.read()\n"));
  const std::string address = "127.0.0.1:" + stranger.read_line();
  EXPECT_THAT(run_to_end({"true"}, with_agent({}, address, {"PLATEAU_PPROF_VERBOSE=1"})).error,
              HasSubstr("in use by python3 (process " + std::to_string(stranger.pid()) + ")"));
}

TEST(AgentReach, AUnixSocketServesWhoeverMayOpenItsFile) {
  const ScratchFolder folder;
  ChildProgram program(python(until_end_of_input),
                       with_agent({}, "unix:" + folder.path().string() + "/%p.sock", {"PLATEAU_PPROF_VERBOSE=1"}));
  const std::string file = folder / (std::to_string(program.pid()) + ".sock");
  EXPECT_THAT(program.read_error_line(), HasSubstr("listening on unix:" + file));
  EXPECT_EQ(get(file, "/debug/pprof/heap").result_int(), 200U);
  EXPECT_EQ(get(file, "/debug/pprof/profile?seconds=1").result_int(), 200U);
  EXPECT_EQ(program.wait(), 0);
  EXPECT_FALSE(fs::exists(file));
}

TEST(AgentReach, ASocketsFileIsRemovedAlsoAfterAChangeOfFolder) {
  const ScratchFolder folder;
  ChildProgram program(python("os.chdir('/')\n" + until_end_of_input),
                       with_agent({}, "unix:" + (folder / "socket"), {"PLATEAU_PPROF_VERBOSE=1"}));
  program.read_error_line();
  EXPECT_EQ(program.wait(), 0);
  EXPECT_FALSE(fs::exists(folder / "socket"));
}

TEST(AgentReach, ASocketThatCannotBeHadIsOneLine) {
  const ScratchFolder folder;
  folder.write("file", "text");
  const auto said = [&](const std::string& path) {
    const Finished ended =
        run_to_end({"sqlite3", ":memory:", "select 1"}, with_agent({}, "unix:" + path, {"PLATEAU_PPROF_VERBOSE=1"}));
    EXPECT_EQ(ended.status, 0);
    EXPECT_EQ(ended.out, "1\n");
    EXPECT_EQ(std::count(ended.error.begin(), ended.error.end(), '\n'), 1) << ended.error;
    return ended.error;
  };
  EXPECT_THAT(said("/tmp/" + std::string(200, 'x')), HasSubstr("the kernel takes 107"));
  EXPECT_THAT(said(folder / "file"), HasSubstr("a file that is no socket"));
  EXPECT_THAT(said(folder / "none/socket"), HasSubstr("No such file or directory"));
  EXPECT_EQ(read_text(folder / "file"), "text");
}

TEST(AgentReach, ProcessesOfOneUserKnowEachOther) {
  const ScratchFolder folder;
  fs::permissions(folder.path(), fs::perms::owner_all);
  const std::string runtime = "XDG_RUNTIME_DIR=" + folder.path().string();
  Served first(python(until_end_of_input), {}, {runtime});
  Served second({"sqlite3", ":memory:"}, {}, {runtime});
  const auto listed = [](const Served& program) { return std::to_string(program.pid()) + " "; };
  const std::string text = get(first.port(), "/debug/").body();
  EXPECT_THAT(text, AllOf(HasSubstr(listed(first) + "python3 http://127.0.0.1:" + std::to_string(first.port())),
                          HasSubstr(listed(second) + "sqlite3 http://127.0.0.1:" + std::to_string(second.port()))));
  EXPECT_THAT(get(first.port(), "/debug/", "Accept: text/html\r\n").body(), HasSubstr("<a href=\"http://127.0.0.1:"));
  second.signal(SIGKILL);  // leaves its file behind
  second.wait();
  EXPECT_THAT(get(first.port(), "/debug/").body(), Not(HasSubstr(listed(second))));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "plateau"), {}), 1) << "cleaned";
  EXPECT_EQ(first.wait(), 0);
  EXPECT_TRUE(fs::is_empty(folder / "plateau"));
}

TEST(AgentReach, AFolderThatOthersMayWriteIsNotBelieved) {
  const ScratchFolder folder;
  fs::permissions(folder.path(), fs::perms::owner_all);
  fs::create_directory(folder / "plateau");
  fs::permissions(folder / "plateau", fs::perms::all);
  Served program(python(until_end_of_input), {}, {"XDG_RUNTIME_DIR=" + folder.path().string()});
  folder.write("plateau/" + std::to_string(::getpid()) + "-1", "1\nevil\nevil\nevil\n");
  EXPECT_THAT(get(program.port(), "/debug/").body(), Not(HasSubstr("evil")));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "plateau"), {}), 1) << "nothing was added or removed";
}

TEST(AgentReach, ClientsCallByTheNamesThatAreListed) {
  Served program(python(until_end_of_input), {}, {"PLATEAU_PPROF_HOSTS=orders, *.example.net"});
  for (const char* const host : {"orders", "Orders:6060", "a.example.net", "localhost", "127.0.0.1"}) {
    EXPECT_EQ(get_from_host(program.port(), host, "/metrics").result_int(), 200U) << host;
  }
  const HttpReply refused = get_from_host(program.port(), "other:6060", "/metrics");
  EXPECT_EQ(refused.result_int(), 403U);
  EXPECT_THAT(refused.body(), AllOf(HasSubstr("other"), HasSubstr("PLATEAU_PPROF_HOSTS")));
  EXPECT_THAT(run_to_end({"true"}, with_agent({}, "127.0.0.1:0", {"PLATEAU_PPROF_HOSTS=orders:6060"})).error,
              HasSubstr("names without ports"));
}

// Reads lines of the agent until one says where a process listens.
std::uint16_t next_port(ChildProgram& program) {
  return port_in(program.read_error_line());
}

Environment with_children(const std::string& address = "127.0.0.1:0") {
  return with_agent({}, address, {"PLATEAU_PPROF_CHILDREN=1", "PLATEAU_PPROF_VERBOSE=1"});
}

TEST(AgentReach, ADaemonIsServedWhereItsParentWas) {
  for (const char* const kind : {"once", "twice"}) {
    Served probe(python(until_end_of_input));  // a port that is free in a moment
    const std::string address = "127.0.0.1:" + std::to_string(probe.port());
    probe.wait();
    ChildProgram program(python(std::string("def fork():\n"
                                            "    if os.fork() != 0: os._exit(0)\n"
                                            "read, write = os.pipe()\n"
                                            "if os.fork() == 0:\n"
                                            "    os.setsid()\n") +
                                (std::string(kind) == "twice" ? "    fork()\n" : "") +
                                "    print(os.getpid(), flush=True)\n"
                                "    signal.alarm(60)\n"
                                "    os.read(read, 1)\n"
                                "    os._exit(0)\n"
                                "os._exit(3)\n"),
                         with_children(address));
    const std::uint16_t port = next_port(program);
    const std::string daemon = program.read_line();
    EXPECT_EQ(next_port(program), port) << kind;
    EXPECT_EQ(get(port, "/debug/pprof/heap").result_int(), 200U);
    EXPECT_EQ(program.wait(), 3);
    ::kill(std::stoi(daemon), SIGKILL);
  }
}

TEST(AgentReach, WorkersAreServedEachAtAnAddressOfItsOwn) {
  const ScratchFolder folder;
  const std::vector<std::string> addresses{"127.0.0.1:0", "unix:" + folder.path().string() + "/%p.sock"};
  for (const std::string& address : addresses) {
    ChildProgram program(python("workers = []\n"
                                "for _ in range(2):\n"
                                "    worker = os.fork()\n"
                                "    if worker == 0:\n"
                                "        kept = ['x' * 100000 for i in range(100)]\n"
                                "        signal.pause()\n"
                                "    workers.append(worker)\n"
                                "print(*workers, flush=True)\n"
                                "sys.stdin.read()\n"
                                "for worker in workers: os.kill(worker, signal.SIGTERM)\n"),
                         with_children(address));
    std::vector<std::string> lines;
    for (int i = 0; i < 3; ++i) lines.push_back(program.read_error_line());
    std::sort(lines.begin(), lines.end());
    EXPECT_EQ(std::unique(lines.begin(), lines.end()), lines.end());
    for (const std::string& line : lines) {
      const auto at = line.find("unix:");
      const HttpReply heap = at == std::string::npos
                                 ? get(port_in(line), "/debug/pprof/heap")
                                 : get(line.substr(at + 5, line.rfind(" (") - at - 5), "/debug/pprof/heap");
      EXPECT_EQ(heap.result_int(), 200U) << line;
    }
    EXPECT_EQ(program.wait(), 0);
  }
}

// A thousand times a child that is gone before it could be served; and those that become another program.
TEST(AgentReach, ChildrenThatDoNotGoOnAreNotHarmed) {
  const std::vector<std::string> program = python(
      "import subprocess\n"
      "statuses = set()\n"
      "for i in range(300):\n"
      "    child = os.fork()\n"
      "    if child == 0:\n"
      "        if i % 3 == 0: os._exit(5)\n"
      "        if i % 3 == 1: os.execv('/bin/sh', ['sh', '-c', 'exit 5'])\n"
      "        sys.exit(5)\n"
      "    statuses.add(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
      "print(statuses, subprocess.call(['false']), os.system('exit 6') >> 8)\n");
  const Finished with = run_to_end(program, with_agent({}, "127.0.0.1:0", {"PLATEAU_PPROF_CHILDREN=1"}));
  EXPECT_EQ(with.status, 0);
  EXPECT_EQ(with.out, "{5} 1 6\n");
  EXPECT_EQ(with.error, "");
}

// The child's threads are its own: it ends as it likes, and may become another user.
TEST(AgentReach, AServedChildEndsAsItWould) {
  ChildProgram program(python("child = os.fork()\n"
                              "if child == 0:\n"
                              "    sys.stdin.readline()\n"
                              "    if os.getuid() == 0: os.setuid(63999)\n"
                              "    sys.exit(9)\n"
                              "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)\n"),
                       with_children());
  next_port(program);
  const std::uint16_t child = next_port(program);
  EXPECT_EQ(get(child, "/debug/pprof/profile?seconds=1").result_int(), 200U);
  program.write_line("");
  EXPECT_EQ(program.read_line(), "9");
  EXPECT_EQ(program.wait(), 0);
  EXPECT_EQ(program.rest_of_error(), "");
}

}  // namespace
}  // namespace plateau::testing
