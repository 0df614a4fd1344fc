// Protects what the agent promises to programs that know nothing of it: they are served, and are otherwise unchanged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "profiling/formats/pprof_reader.hpp"
#include "tests/profiling/http_client.hpp"
#include "tests/profiling/served_program.hpp"
#include "tests/support/child_program.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
namespace fs = std::filesystem;

bool serves(std::uint16_t port) {
  try {
    return get(port, "/metrics").result_int() == 200;
  } catch (const boost::system::system_error&) {
    return false;
  }
}

TEST(Agent, ChangesNothingThatAProgramSaysOrReturns) {
  const std::vector<std::vector<std::string>> programs{
      {"true"},
      {"false"},
      {"sqlite3", ":memory:", "select 1+1"},
      {"sqlite3", ":memory:", "select nonsense"},
      {"sh", "-c", "echo out; echo error >&2; (exit 3); exit $?"},
      python("print(sorted(os.listdir('/proc/self/fd')))"),  // numbers of descriptors
      python("print([signal.getsignal(number) for number in signal.valid_signals()])"),
      python(
          "print([int(line.split()[1], 16) & 0x7fffffff for line in open('/proc/self/status') if line.startswith('Sig')"
          " and not line.startswith('SigQ')])"),  // handlers; what is above is glibc's own, of any threads
      python("os.kill(os.getpid(), signal.SIGTERM)"),
      python("sys.exit(7)"),
  };
  for (const auto& program : programs) {
    const Finished alone = run_to_end(program);
    const Finished with = run_to_end(program, with_agent());
    EXPECT_EQ(with.status, alone.status) << program.back();
    EXPECT_EQ(with.out, alone.out) << program.back();
    EXPECT_EQ(with.error, alone.error) << program.back();
  }
}

TEST(Agent, ServesAnUnchangedRedis) {
  const ScratchFolder folder;
  Served redis({"redis-server", "--port", "0", "--unixsocket", folder / "socket", "--save", "", "--dir", folder.path()},
               {}, {"MALLOC_CONF=prof:true,lg_prof_sample:12"});
  for (const char* const target :
       {"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/allocs", "/debug/pprof/heap?seconds=1",
        "/debug/pprof/delta_heap", "/debug/pprof/profile?seconds=1", "/debug/pprof/rss", "/debug/pprof/cmdline",
        "/debug/footprint", "/metrics"}) {
    EXPECT_EQ(redis.status(target), 200U) << target;
  }
  EXPECT_THAT(get(redis.port(), "/debug/pprof/heap?debug=1").body(), HasSubstr("zmalloc"));
  EXPECT_THAT(get(redis.port(), "/debug/pprof/growth").body(), HasSubstr("prof_gdump"));
  const Finished ping = run_to_end({"redis-cli", "-s", folder / "socket", "ping"});
  EXPECT_EQ(ping.out, "PONG\n") << ping.error;
  redis.signal(SIGTERM);
  EXPECT_EQ(redis.wait(), 0) << "an orderly end, by its own handler";
}

TEST(Agent, SaysWhatRedisNeedsToBeProfiled) {
  const ScratchFolder folder;
  Served redis({"redis-server", "--port", "0", "--unixsocket", folder / "socket", "--save", ""});
  const HttpReply reply = get(redis.port(), "/debug/pprof/heap");
  EXPECT_EQ(reply.result_int(), 501U);
  EXPECT_THAT(reply.body(), HasSubstr("MALLOC_CONF"));
  EXPECT_EQ(redis.status("/debug/footprint"), 200U);
}

TEST(Agent, ServesProgramsOnEveryAllocator) {
  const struct {
    const char* libraries;
    Environment environment;
  } allocators[] = {
      {"", {}},
      {"libtcmalloc.so.4:", {"TCMALLOC_SAMPLE_PARAMETER=524288"}},
      {SAMPLER ":", {}},
      {SAMPLER ":libmimalloc.so.2:", {}},
  };
  for (const auto& allocator : allocators) {
    Served program(python("kept = ['x' * 100000 for i in range(500)]\n" + until_end_of_input), allocator.libraries,
                   allocator.environment);
    EXPECT_EQ(program.read_line(), "ready") << allocator.libraries;
    const HttpReply heap = get(program.port(), "/debug/pprof/heap?debug=1");
    EXPECT_EQ(heap.result_int(), 200U) << allocator.libraries << heap.body();
    EXPECT_EQ(program.status("/debug/pprof/rss"), 200U) << allocator.libraries;
    EXPECT_EQ(program.wait(), 0) << allocator.libraries;
    EXPECT_EQ(program.rest_of_error(), "") << allocator.libraries;
  }
}

TEST(Agent, SamplesAnUnchangedProgramOnGlibc) {
  Served sqlite({"sqlite3", ":memory:"});
  sqlite.write_line("create table kept(block); insert into kept values (zeroblob(80000000)); select 'ready';");
  EXPECT_EQ(sqlite.read_line(), "ready");
  const ReadProfile heap = read_pprof(get(sqlite.port(), "/debug/pprof/heap").body());
  EXPECT_NEAR(static_cast<double>(heap.total("inuse_space")), 80e6, 30e6);
  EXPECT_THAT(get(sqlite.port(), "/debug/pprof/heap?debug=1").body(), HasSubstr("sqlite3"));
  EXPECT_EQ(sqlite.status("/debug/pprof/delta_heap?seconds=1"), 200U);
  EXPECT_THAT(get(sqlite.port(), "/debug/footprint").body(), HasSubstr("glibc")) << "seen through";
  EXPECT_EQ(sqlite.wait(), 0);
  EXPECT_EQ(sqlite.rest_of_error(), "");
}

TEST(Sampler, APeriodThatIsNoneIsOneLineAndTheProgramRunsOn) {
  for (const char* const period : {"-1", "lots", "18446744073709551616", ""}) {
    const Finished finished =
        run("/usr/bin/python3", {"-c", "print(len([b'x' * 5000 for i in range(5000)]))"},
            {.environment = {std::string("LD_PRELOAD=") + SAMPLER, std::string("PLATEAU_SAMPLE_PERIOD=") + period}});
    EXPECT_EQ(finished.status, 0) << period;
    EXPECT_EQ(finished.out, "5000\n") << period;
    EXPECT_EQ(finished.error,
              "plateau: PLATEAU_SAMPLE_PERIOD: give bytes up to 1TiB, such as 524288, 512KiB or 4k, or 0 to sample on "
              "demand only, as is done now\n")
        << period;
  }
  const Finished finished =
      run("/usr/bin/true", {}, {.environment = {std::string("LD_PRELOAD=") + SAMPLER, "PLATEAU_SAMPLE_PERIOD=4k"}});
  EXPECT_EQ(finished.status, 0);
  EXPECT_EQ(finished.error, "");
}

// The agent's own sampler stands aside, wherever in the list the other one is.
TEST(Agent, LeavesAProgramToASamplerThatIsThere) {
  const std::vector<std::string> lists{std::string(SAMPLER ":") + AGENT, std::string(AGENT ":") + SAMPLER};
  for (const std::string& list : lists) {
    Served program(python("kept = ['x' * 100000 for i in range(500)]\n" + until_end_of_input),
                   Environment{"LD_PRELOAD=" + list, "PLATEAU_PPROF=127.0.0.1:0", "PLATEAU_SAMPLE_PERIOD=65536"});
    EXPECT_EQ(program.read_line(), "ready");
    const ReadProfile heap = read_pprof(get(program.port(), "/debug/pprof/heap").body());
    EXPECT_NEAR(static_cast<double>(heap.total("inuse_space")), 50e6, 15e6) << list;
    EXPECT_EQ(program.wait(), 0);
  }
}

TEST(Agent, IsSilentAboutCpuProfiles) {
  Served program(python("print('ready', flush=True)\nfor line in sys.stdin: sum(range(10000000))\n"));
  EXPECT_EQ(program.read_line(), "ready");
  program.write_line("work");
  EXPECT_EQ(program.status("/debug/pprof/profile?seconds=1"), 200U);
  EXPECT_EQ(program.wait(), 0);
  EXPECT_EQ(program.rest_of_error(), "") << "nor is libprofiler heard";
}

TEST(Agent, SurvivesAProgramThatClosesAllDescriptors) {
  Served program(
      python("os.closerange(3, 4096)\n" + until_end_of_input + "print(os.open('/dev/null', os.O_RDONLY))\n"));
  EXPECT_EQ(program.read_line(), "ready");
  EXPECT_EQ(program.status("/debug/pprof/cmdline"), 200U);
  EXPECT_EQ(program.status("/debug/footprint"), 200U);
  EXPECT_EQ(program.wait(), 0);
  EXPECT_EQ(program.rest_of_output(), "3\n") << "the numbers are the program's own";
}

class Forking : public ::testing::TestWithParam<const char*> {};

// With tcmalloc the server shares its descriptors with the program.
INSTANTIATE_TEST_SUITE_P(Agent, Forking, ::testing::Values("", "libtcmalloc.so.4:"));

TEST_P(Forking, ChildServesNothingAndKeepsNoPort) {
  Served parent(python("child = os.fork()\n"
                       "if child == 0:\n"
                       "    sys.stdin.read()\n"  // outlives its parent, until the test has looked
                       "    os._exit(0)\n"
                       "print(child, flush=True)\n"
                       "signal.pause()\n"),
                GetParam());
  const std::string child = "/proc/" + parent.read_line();
  EXPECT_TRUE(serves(parent.port()));
  parent.signal(SIGTERM);
  // Not wait(), which would end the child as well.
  const auto ended = [&] {
    return read_text("/proc/" + std::to_string(parent.pid()) + "/stat").find(") Z ") != std::string::npos;
  };
  while (!ended()) std::this_thread::yield();
  EXPECT_TRUE(fs::exists(child));
  EXPECT_FALSE(serves(parent.port()));
  EXPECT_EQ(
      run_to_end({"true"}, with_agent({}, "127.0.0.1:" + std::to_string(parent.port()), {"PLATEAU_PPROF_VERBOSE=1"}))
          .error.find("in use"),
      std::string::npos);
  EXPECT_EQ(parent.wait(), 128 + SIGTERM);
}

TEST(Agent, NeverTakesAPortTwice) {
  Served first(python(until_end_of_input));
  const std::string address = "127.0.0.1:" + std::to_string(first.port());
  EXPECT_EQ(first.read_line(), "ready");
  EXPECT_TRUE(serves(first.port()));
  const Finished second = run_to_end(python("print(2)"), with_agent({}, address));
  EXPECT_EQ(second.status, 0);
  EXPECT_EQ(second.out, "2\n");
  EXPECT_EQ(second.error, "");
  const Finished verbose = run_to_end(python("print(2)"), with_agent({}, address, {"PLATEAU_PPROF_VERBOSE=1"}));
  EXPECT_THAT(verbose.error, HasSubstr("cannot listen on " + address + ": Address already in use"));
  EXPECT_TRUE(serves(first.port())) << "the first serves on";
  EXPECT_EQ(first.wait(), 0);
  EXPECT_FALSE(serves(first.port()));
}

TEST(Agent, DoesNothingInASetuidProgram) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root to make a setuid program and to leave it";
  const ScratchFolder folder;
  const std::string program = folder / "setuid_sqlite3";
  fs::copy_file("/usr/bin/sqlite3", program);
  ASSERT_EQ(::chmod(program.c_str(), 04755), 0);
  const Finished finished =
      run(program, {":memory:", "select 1+1"},
          {.environment = with_agent({}, "127.0.0.1:0", {"PLATEAU_PPROF_VERBOSE=1"}), .as_nobody = true});
  EXPECT_EQ(finished.status, 0);
  EXPECT_EQ(finished.out, "2\n");
  EXPECT_EQ(finished.error, "");
}

TEST(Agent, ProgramsThatEndAtOnceEndWell) {
  for (int i = 0; i < 50; ++i) {
    const Finished ended = run_to_end({"true"}, with_agent());
    ASSERT_EQ(ended.status, 0);
    ASSERT_EQ(ended.error, "");
  }
}

TEST(Agent, AnUnusableAddressIsOneLine) {
  const Finished ended = run_to_end({"true"}, with_agent({}, "nonsense"));
  EXPECT_EQ(ended.status, 0);
  EXPECT_THAT(ended.error, StartsWith("plateau: PLATEAU_PPROF: nonsense: give ADDRESS:PORT"));
  EXPECT_THAT(run_to_end({"true"}, with_agent({}, "0.0.0.0:0")).error, HasSubstr("other machines"));
  EXPECT_EQ(run_to_end({"true"}, {std::string("LD_PRELOAD=") + AGENT}).error, "") << "without an address: nothing";
}

}  // namespace
}  // namespace plateau::testing
