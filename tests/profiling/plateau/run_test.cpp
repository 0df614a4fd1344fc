// Protects what `plateau run` promises: the program is as it would be without, and a report is left of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <regex>
#include <string>
#include <vector>

#include "profiling/formats/pprof_reader.hpp"
#include "profiling/plateau/debug_client.hpp"
#include "tests/support/child_program.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

std::vector<std::string> in_run(const ScratchFolder& folder, std::vector<std::string> program) {
  program.insert(program.begin(),
                 {PLATEAU, "run", "--out", folder / "out", "--address", "unix:" + (folder / "%p.sock")});
  return program;
}

std::string report(const ScratchFolder& folder) {
  return read_text(folder / "out/report.html");
}

// The only file that ends so; empty when there is none.
std::string file_with(const ScratchFolder& folder, const std::string& part, const std::string& end) {
  for (const auto& entry : fs::directory_iterator(folder / "out")) {
    const std::string name = entry.path().filename();
    if (name.find(part) != std::string::npos && name.ends_with(end)) return entry.path();
  }
  return {};
}

// Its standard error without our own lines.
std::string of_program(const std::string& error) {
  return std::regex_replace(error, std::regex("plateau: [^\n]*\n"), "");
}

TEST(PlateauRun, ChangesNothingThatAProgramSaysOrReturns) {
  const std::vector<std::vector<std::string>> programs{
      {"true"},
      {"false"},
      {"sqlite3", ":memory:", "select 1+1"},
      {"sh", "-c", "echo out; echo error >&2; exit 3"},
      {"/usr/bin/python3", "-c",
       "import os, sys; print(sorted(os.listdir('/proc/self/fd')), os.getcwd()); sys.exit(7)"},
      {"/usr/bin/python3", "-c",
       "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, []), "
       "[signal.getsignal(n) for n in signal.valid_signals()])"},
      {"/usr/bin/python3", "-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"},
      {"/usr/bin/python3", "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"},
      {"/sbin/ldconfig", "--version"},  // static
  };
  for (const auto& program : programs) {
    const ScratchFolder folder;
    const Finished alone = run_to_end(program);
    const Finished with = run_to_end(in_run(folder, program));
    EXPECT_EQ(with.status, alone.status) << program.back();
    EXPECT_EQ(with.out, alone.out) << program.back();
    EXPECT_EQ(of_program(with.error), alone.error) << program.back();
    EXPECT_NE(report(folder), "") << program.back() << with.error;
  }
}

TEST(PlateauRun, HandsOnWhatAProgramReads) {
  const ScratchFolder folder;
  ChildProgram run(in_run(folder, {"cat"}));
  run.write_line("a line");
  EXPECT_EQ(run.read_line(), "a line");
  EXPECT_EQ(run.wait(), 0);
}

TEST(PlateauRun, HandsOnSignalsOnce) {
  const ScratchFolder folder;
  ChildProgram run(in_run(folder, {"/usr/bin/python3", "-uc", R"(
import signal, sys
count = 0
def handle(number, frame):
    global count
    count += 1
    print(signal.Signals(number).name, count)
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1): signal.signal(number, handle)
print('ready')
while True:
    line = sys.stdin.readline()
    if not line: break
)"}));
  ASSERT_EQ(run.read_line(), "ready");
  for (const auto& [number, line] :
       {std::pair{SIGTERM, "SIGTERM 1"}, {SIGHUP, "SIGHUP 2"}, {SIGINT, "SIGINT 3"}, {SIGUSR1, "SIGUSR1 4"}}) {
    run.signal(number);
    EXPECT_EQ(run.read_line(), line);
  }
  EXPECT_EQ(run.wait(), 0);
  EXPECT_EQ(run.rest_of_output(), "");
}

TEST(PlateauRun, FailsAsEnvDoes) {
  const ScratchFolder folder;
  folder.write("no_program", "text");
  const Finished missing = run_to_end(in_run(folder, {"plateau-no-such-program"}));
  EXPECT_EQ(missing.status, 127);
  EXPECT_EQ(missing.error, "plateau: plateau-no-such-program: no such program in PATH\n");
  EXPECT_EQ(run_to_end(in_run(folder, {folder / "no_program"})).status, 126);
  EXPECT_EQ(run_to_end({PLATEAU, "run"}).status, 2);
  const Finished option = run_to_end({PLATEAU, "run", "--no-such-option", "true"});
  EXPECT_EQ(option.status, 2);
  EXPECT_THAT(option.error, HasSubstr("--no-such-option"));
  const Finished place = run_to_end({PLATEAU, "run", "--out", "/proc/nowhere", "true"});
  EXPECT_EQ(place.status, 2);
  EXPECT_THAT(place.error, HasSubstr("--out"));
  EXPECT_EQ(run_to_end({PLATEAU, "run", "--address", "nonsense", "true"}).status, 2);
}

// A short program, of which nothing could be asked while it ran.
TEST(PlateauRun, LeavesAProfileOfAShortProgram) {
  const ScratchFolder folder;
  const Finished run = run_to_end(in_run(
      folder, {"sqlite3", ":memory:", "create table kept(block); insert into kept values (zeroblob(40000000));"}));
  EXPECT_EQ(run.status, 0) << run.error;
  EXPECT_THAT(run.error, HasSubstr("report.html"));
  const std::string file = file_with(folder, "sqlite3-", ".end.pb.gz");
  ASSERT_NE(file, "");
  const ReadProfile end = read_pprof(read_text(file));
  EXPECT_GT(end.total("alloc_space"), 35'000'000) << "what it allocated is there, though it was freed";
  const std::string page = report(folder);
  EXPECT_THAT(page, HasSubstr("Allocated in all"));
  EXPECT_THAT(page, HasSubstr("live blocks"));
  EXPECT_THAT(page, Not(HasSubstr("<link")));
  EXPECT_THAT(page, Not(HasSubstr("<script src")));
  EXPECT_EQ(file_with(folder, "", ".heap"), "") << "converted, and removed";
}

// A service is served while it runs, and its peak is there when it has been killed.
TEST(PlateauRun, LeavesThePeakOfAServiceThatIsKilled) {
  const ScratchFolder folder;
  ChildProgram run(in_run(
      folder, {"/usr/bin/python3", "-uc",
               "import os, sys, signal\nkept = [bytearray(1000000) for i in range(60)]\nprint('ready', flush=True)\n"
               "sys.stdin.readline()\nos.kill(os.getpid(), signal.SIGKILL)\n"}));
  ASSERT_EQ(run.read_line(), "ready");
  const std::string line = run.read_error_line();
  std::smatch found;
  ASSERT_TRUE(std::regex_search(line, found, std::regex("--unix-socket (\\S+)"))) << line;
  // Answers of one kind are made one after another: those that the run asked for before these are there, too.
  for (int i = 0; i < 3; ++i) {
    const DebugReply heap =
        ask_debug_server("unix:" + found[1].str(), "/debug/pprof/heap?seconds=1", std::chrono::seconds(60));
    EXPECT_TRUE(heap.ok()) << heap.body;
  }
  run.write_line("go");
  EXPECT_EQ(run.wait(), 128 + SIGKILL);
  const std::string file = file_with(folder, "python3", ".end.pb.gz");
  ASSERT_NE(file, "");
  EXPECT_NEAR(static_cast<double>(read_pprof(read_text(file)).total("inuse_space")), 60e6, 15e6);
}

TEST(PlateauRun, LeavesShellsOutAndFollowsWhatTheyStart) {
  const ScratchFolder folder;
  folder.write("start.sh",
               "#!/bin/bash\ncd /\nsqlite3 :memory: \"select 'from sqlite'\" && sqlite3 :memory: 'select 2'\n");
  fs::permissions(folder / "start.sh", fs::perms::all);
  const Finished run = run_to_end(in_run(folder, {folder / "start.sh"}));
  EXPECT_EQ(run.out, "from sqlite\n2\n");
  const std::string page = report(folder);
  const std::regex process("<h2 id=\"([a-z0-9]+)-");
  std::vector<std::string> names;
  for (std::sregex_iterator at(page.begin(), page.end(), process), none; at != none; ++at) names.push_back((*at)[1]);
  EXPECT_THAT(names, ::testing::ElementsAre("sqlite3", "sqlite3")) << "two, and no bash";
}

}  // namespace
}  // namespace plateau::testing
