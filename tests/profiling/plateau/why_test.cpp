// Protects `plateau why`: the verdict of a process in which nothing of ours is, and that nothing is done to it.
#include "profiling/plateau/why.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdint>
#include <string>
#include <vector>

#include "profiling/plateau/outside_waterfall.hpp"
#include "tests/support/child_program.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// Holds what the script makes until its input ends.
class Holder : public ChildProgram {
 public:
  explicit Holder(const std::string& script, std::vector<std::string> environment = {})
      : ChildProgram({"/usr/bin/python3", "-c",
                      "import ctypes, sys, threading\nlibc = ctypes.CDLL(None)\nlibc.malloc.restype = ctypes.c_void_p\n"
                      "libc.malloc.argtypes = [ctypes.c_size_t]\nlibc.free.argtypes = [ctypes.c_void_p]\n"
                      "def block(size):\n  at = libc.malloc(size)\n  ctypes.memset(at, 1, size)\n  return at\n" +
                          script + "\nprint('ready', flush=True)\nsys.stdin.readline()\n"},
                     std::move(environment)) {
    if (read_line() != "ready") throw std::runtime_error("the holder said: " + rest_of_error());
  }
};

std::uint64_t sum(const std::vector<ResidentMemory::Arena>& arenas, std::uint64_t ResidentMemory::Arena::*figure) {
  std::uint64_t total = 0;
  for (const ResidentMemory::Arena& arena : arenas) total += arena.*figure;
  return total;
}

TEST(PlateauWhy, PartsAddUpToRss) {
  const Holder holder("kept = [block(100000) for i in range(300)]");
  const OutsideFootprint outside = outside_footprint(holder.pid());
  std::int64_t total = 0;
  for (const MeasuredPart& part : outside.footprint.parts) {
    total += part.bytes;
    EXPECT_LE(part.bytes, static_cast<std::int64_t>(outside.footprint.rss_bytes)) << part.part->id;
  }
  EXPECT_EQ(total, static_cast<std::int64_t>(outside.footprint.rss_bytes));
}

TEST(PlateauWhy, TellsLiveBlocksFromFreeOnesInTheMainArena) {
  // Every second one is freed, so that nothing can be given back.
  const Holder holder("kept = [block(20000) for i in range(4000)]\nfor at in kept[::2]: libc.free(at)");
  const OutsideFootprint outside = outside_footprint(holder.pid());
  ASSERT_TRUE(outside.knows_arenas);
  EXPECT_TRUE(outside.is_complete);
  const auto& arenas = outside.footprint.resident->arenas;
  EXPECT_NEAR(static_cast<double>(sum(arenas, &ResidentMemory::Arena::free_bytes)), 40e6, 4e6);
  EXPECT_NEAR(static_cast<double>(sum(arenas, &ResidentMemory::Arena::in_use_bytes)), 40e6, 8e6);
}

TEST(PlateauWhy, FindsArenasOfThreads) {
  const Holder holder(R"(
kept = []
def work():
    blocks = [block(20000) for i in range(1000)]
    kept.append(blocks[:1])
    for at in blocks[1:-1]: libc.free(at)
threads = [threading.Thread(target=work) for i in range(4)]
for one in threads:
    one.start()
    one.join() if False else None
for one in threads: one.join()
)");
  const OutsideFootprint outside = outside_footprint(holder.pid());
  ASSERT_TRUE(outside.knows_arenas);
  const auto& arenas = outside.footprint.resident->arenas;
  ASSERT_GE(arenas.size(), 2U);
  EXPECT_TRUE(arenas[0].is_main);
  EXPECT_GT(sum(arenas, &ResidentMemory::Arena::free_bytes), std::uint64_t{10'000'000});
}

TEST(PlateauWhy, CountsBlocksWithAMappingOfTheirOwnAsLive) {
  const Holder holder("kept = [block(5000000) for i in range(20)]");
  const OutsideFootprint outside = outside_footprint(holder.pid());
  EXPECT_NEAR(static_cast<double>(bytes_of(outside.footprint.parts, "live").value_or(0)), 100e6, 10e6);
  const std::string text = why_text(outside, holder.pid(), {});
  EXPECT_THAT(text, HasSubstr("live blocks"));
  EXPECT_THAT(text, Not(HasSubstr("?gc=1"))) << "nobody serves that";
  EXPECT_THAT(text, Not(HasSubstr("/debug/"))) << "nor that";
  EXPECT_THAT(text, HasSubstr("plateau run"));
}

TEST(PlateauWhy, SaysThatAnotherAllocatorsBlocksCannotBeTold) {
  const Holder holder("kept = [block(100000) for i in range(300)]", {"LD_PRELOAD=libjemalloc.so.2"});
  const OutsideFootprint outside = outside_footprint(holder.pid());
  EXPECT_EQ(outside.own_allocator, "jemalloc");
  EXPECT_FALSE(outside.footprint.heap.allocated);
  const std::string text = why_text(outside, holder.pid(), {});
  EXPECT_THAT(text, HasSubstr("jemalloc's, or mapped"));
  EXPECT_THAT(text, Not(HasSubstr("live blocks")));
}

TEST(PlateauWhy, IsOneParagraphAndATableOfEightyColumns) {
  const Holder holder("kept = [block(100000) for i in range(300)]");
  const Finished why = run_to_end({PLATEAU, "why", std::to_string(holder.pid())});
  EXPECT_EQ(why.status, 0) << why.error;
  EXPECT_THAT(why.out, StartsWith("python3"));
  for (std::size_t at = 0; at < why.out.size();) {
    const std::size_t end = std::min(why.out.find('\n', at), why.out.size());
    EXPECT_LE(end - at, 100U) << why.out.substr(at, end - at);
    at = end + 1;
  }
}

TEST(PlateauWhy, TellsGrowthWhenItLooksTwice) {
  Holder holder(
      "def grow():\n  while True: kept.append(block(200000)); import time; time.sleep(0.01)\nkept = []\n"
      "threading.Thread(target=grow, daemon=True).start()");
  const Finished why = run_to_end({PLATEAU, "why", "--seconds", "1", std::to_string(holder.pid())});
  EXPECT_EQ(why.status, 0) << why.error;
  EXPECT_THAT(why.out, HasSubstr("MB/s"));
}

TEST(PlateauWhy, LeavesTheProcessAlone) {
  Holder holder("kept = [block(100000) for i in range(30)]");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(run_to_end({PLATEAU, "why", std::to_string(holder.pid())}).status, 0);
  holder.write_line("end");
  EXPECT_EQ(holder.wait(), 0);
}

TEST(PlateauWhy, RefusesInOneLine) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{{PLATEAU, "why"},
                                                                     {PLATEAU, "why", "0"},
                                                                     {PLATEAU, "why", "x"},
                                                                     {PLATEAU, "why", "99999999"},
                                                                     {PLATEAU, "why", "2"}}) {
    const Finished why = run_to_end(arguments);
    EXPECT_EQ(why.status, 2) << arguments.back();
    EXPECT_THAT(why.error, StartsWith("plateau: "));
    EXPECT_EQ(std::count(why.error.begin(), why.error.end(), '\n'), 1) << why.error;
  }
}

}  // namespace
}  // namespace plateau::testing
