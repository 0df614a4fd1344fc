// Protects what the agent by itself tells of memory that no malloc gave out: each kind of mapping is in the profile of
// RSS under who made it, an interpreter's heap has its name, and the program does not see that anybody looks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "tests/profiling/http_client.hpp"
#include "tests/profiling/served_program.hpp"

namespace plateau::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Bytes of the stacks that lie under `part` and have `frame` in them.
std::int64_t bytes_under(const std::string& text, const std::string& part, const std::string& frame) {
  std::int64_t sum = 0;
  std::istringstream lines(text);
  std::int64_t bytes = 0;
  bool is_first = false;
  bool is_part = false;
  bool is_counted = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.find(" @") != std::string::npos && !line.starts_with("#")) {
      bytes = std::stoll(line);
      is_first = true;
      is_part = is_counted = false;
    } else if (line.starts_with("#\t")) {
      if (is_first) is_part = line == "#\t" + part;
      is_first = false;
      if (is_part && !is_counted && line.find(frame) != std::string::npos) {
        sum += bytes;
        is_counted = true;
      }
    }
  }
  return sum;
}

constexpr std::int64_t mib = std::int64_t{1} << 20;

TEST(AgentMappings, OfEachKindHaveTheStackThatMadeThem) {
  Served program(
      python("import mmap, tempfile, ctypes\n"
             "def touched(m):\n"
             "    m.write(b'x' * (8 << 20))\n"
             "    return m\n"
             "size = 8 << 20\n"
             "private = touched(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))\n"
             "shared = touched(mmap.mmap(-1, size))\n"
             "queue = os.memfd_create('queue')\n"
             "os.ftruncate(queue, size)\n"
             "in_memory = touched(mmap.mmap(queue, size))\n"
             "file = tempfile.TemporaryFile(dir='.')\n"
             "file.truncate(size)\n"
             "on_disk = touched(mmap.mmap(file.fileno(), size))\n"
             "libc = ctypes.CDLL(None)\n"
             "libc.sbrk.restype = ctypes.c_void_p\n"
             "ctypes.memset(libc.sbrk(ctypes.c_long(size)), 1, size)\n" +
             until_end_of_input));
  ASSERT_EQ(program.read_line(), "ready");
  const std::string text = program.text("/debug/pprof/rss?debug=1");
  EXPECT_GE(bytes_under(text, "mapped by the program", "mmap.cpython"), 8 * mib) << text.substr(0, 3000);
  EXPECT_GE(bytes_under(text, "mapped by the program", "libffi"), 7 * mib) << "by brk";
  EXPECT_GE(bytes_under(text, "shared memory", "mmap.cpython"), 16 * mib) << "anonymous, and of a memfd";
  EXPECT_GE(bytes_under(text, "file-backed", "mmap.cpython") + bytes_under(text, "shared memory", "mmap.cpython"),
            24 * mib)
      << "the folder may be one of tmpfs";
  EXPECT_EQ(program.wait(), 0);
  EXPECT_EQ(program.rest_of_error(), "");
}

TEST(AgentMappings, GoWithTheirOwner) {
  Served program(
      python("import mmap\n"
             "for i in range(20000):\n"
             "    m = mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
             "    m.write(b'x')\n"
             "    m.close()\n" +
             until_end_of_input));
  ASSERT_EQ(program.read_line(), "ready");
  EXPECT_EQ(bytes_under(program.text("/debug/pprof/rss?debug=1"), "mapped by the program", "mmap.cpython"), 0);
  EXPECT_EQ(program.wait(), 0);
}

TEST(AgentMappings, AnInterpretersHeapHasItsNameAndStacks) {
  Served program(python("kept = [str(i) * 3 for i in range(400000)]\n" + until_end_of_input));
  ASSERT_EQ(program.read_line(), "ready");
  EXPECT_GE(bytes_under(program.text("/debug/pprof/rss?debug=1"), "CPython's arenas", "python3"), 15 * mib);
  const std::string text = program.text("/debug/footprint?debug=1");
  EXPECT_THAT(text, HasSubstr("CPython's arenas"));
  EXPECT_THAT(text, HasSubstr("PYTHONMALLOC=malloc (restart) gives its blocks stacks"));
  EXPECT_THAT(text, Not(HasSubstr("other anonymous memory")));
  EXPECT_EQ(program.wait(), 0);
}

// Wherever in the list it is: its mappings are no mappings of the program's.
TEST(AgentMappings, OfAnAllocatorAreItsOwn) {
  for (const std::string& list : {std::string("libjemalloc.so.2:") + AGENT, std::string(AGENT ":libjemalloc.so.2"),
                                  std::string("libtcmalloc.so.4:") + AGENT, std::string(AGENT ":libmimalloc.so.2")}) {
    Served program(python("kept = [b'x' * 100000 for i in range(200)]\n" + until_end_of_input),
                   Environment{"LD_PRELOAD=" + list, "PLATEAU_PPROF=127.0.0.1:0"});
    ASSERT_EQ(program.read_line(), "ready");
    const std::string text = program.text("/debug/footprint?debug=1");
    EXPECT_THAT(text, Not(HasSubstr("mapped by the program"))) << list << text;
    EXPECT_EQ(program.wait(), 0);
  }
}

TEST(AgentMappings, AreLeftToTheSamplersLibraryWhereverItIs) {
  for (const std::string& list : {std::string(SAMPLER ":") + AGENT, std::string(AGENT ":") + SAMPLER}) {
    Served program(python("import mmap\nm = mmap.mmap(-1, 8 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
                          "m.write(b'x' * (8 << 20))\n" +
                          until_end_of_input),
                   Environment{"LD_PRELOAD=" + list, "PLATEAU_PPROF=127.0.0.1:0"});
    ASSERT_EQ(program.read_line(), "ready");
    EXPECT_GE(bytes_under(program.text("/debug/pprof/rss?debug=1"), "mapped by the program", "mmap.cpython"), 8 * mib)
        << list;
    EXPECT_EQ(program.wait(), 0);
  }
}

// A handler that leaves by longjmp may leave in the middle of whatever it interrupted.
TEST(AgentMappings, SurviveSignalsAndForksAtAnyMoment) {
  Served program(
      python("import mmap, threading\n"
             "count = 0\n"
             "def on_alarm(number, frame):\n"
             "    global count\n"
             "    count += 1\n"
             "    mmap.mmap(-1, 4096).close()\n"
             "signal.signal(signal.SIGALRM, on_alarm)\n"
             "signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)\n"
             "def work():\n"
             "    for i in range(20000): mmap.mmap(-1, 1 << 16).close()\n"
             "threads = [threading.Thread(target=work) for i in range(4)]\n"
             "for t in threads: t.start()\n"
             "for i in range(50):\n"
             "    child = os.fork()\n"
             "    if child == 0:\n"
             "        signal.setitimer(signal.ITIMER_REAL, 0)\n"
             "        signal.alarm(60)\n"
             "        mmap.mmap(-1, 1 << 16).close()\n"
             "        os._exit(7)\n"
             "    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7\n"
             "for t in threads: t.join()\n"
             "signal.setitimer(signal.ITIMER_REAL, 0)\n"
             "kept = mmap.mmap(-1, 8 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
             "kept.write(b'x' * (8 << 20))\n" +
             until_end_of_input));
  ASSERT_EQ(program.read_line(), "ready");
  EXPECT_GE(bytes_under(program.text("/debug/pprof/rss?debug=1"), "mapped by the program", "mmap.cpython"), 8 * mib)
      << "still recorded";
  EXPECT_EQ(program.wait(), 0);
  EXPECT_EQ(program.rest_of_error(), "");
}

TEST(Agent, TheFirstPageSaysWhoseTheMemoryIsAndWhereToLook) {
  Served program(python(until_end_of_input));
  ASSERT_EQ(program.read_line(), "ready");
  const std::string text = program.text("/debug/");
  EXPECT_THAT(text, ::testing::ContainsRegex("# python3.* \\(process [0-9]+\\): .*MB"));
  EXPECT_THAT(text, HasSubstr("# /debug/holders?seconds=30&debug=1"));
  EXPECT_THAT(text, HasSubstr("/debug/pprof/\n")) << "the list itself";
  EXPECT_THAT(get(program.port(), "/debug/", "Accept: text/html\r\n").body(),
              HasSubstr("<a href=\"/debug/footprint?debug=1\">"));
  EXPECT_EQ(program.wait(), 0);
}

}  // namespace
}  // namespace plateau::testing
