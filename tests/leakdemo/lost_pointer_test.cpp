// The fault grows and the profile names its line; the repair does not grow.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tests/labs/lab_process.hpp"

namespace plateau::testing {
namespace {

using ::testing::HasSubstr;

// What pprof makes of it, with no binary at hand: the profile has its symbols in it.
std::string top_of(bool fixed) {
  const ScratchFolder folder;
  std::vector<std::string> arguments{"--profile", folder / "lost.pb.gz"};
  if (fixed) arguments.emplace_back("--fixed");
  const Finished finished =
      run(LOST_POINTER, arguments,
          {.environment = {"LD_PRELOAD=libjemalloc.so.2", "MALLOC_CONF=prof:true,lg_prof_sample:12"}});
  EXPECT_EQ(finished.status, 0) << finished.error;
  const Finished top = run(PPROF, {"-top", "-unit=B", "-symbolize=none", folder / "lost.pb.gz"});
  EXPECT_EQ(top.status, 0) << top.error;
  return top.out;
}

// From pprof's "Showing nodes accounting for 1234B, 100% of 1234B total".
double total_bytes(const std::string& top) {
  constexpr std::string_view before = "% of ";
  const std::size_t at = top.find(before);
  return at == std::string::npos ? -1 : std::stod(top.substr(at + before.size()));
}

TEST(LostPointer, TheFaultIsInTheProfileAndTheRepairIsNot) {
  const std::string fault = top_of(false);
  const std::string repair = top_of(true);
  EXPECT_THAT(fault, HasSubstr("LeakingSessions::login"));
  ASSERT_GE(total_bytes(repair), 0) << repair;
  EXPECT_GT(total_bytes(fault), 100 * (total_bytes(repair) + 1)) << fault << repair;
}

TEST(LostPointer, SaysWhenTheAllocatorHasNoProfiler) {
  const Finished finished = run(LOST_POINTER, {"--profile", "never.heap"});
  EXPECT_EQ(finished.status, 2);
  EXPECT_THAT(finished.error, HasSubstr("glibc has no heap profiler"));
}

}  // namespace
}  // namespace plateau::testing
