// The fault grows and the profile names its line; the repair does not grow.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <sstream>
#include <string>

#include "tests/labs/lab_process.hpp"

namespace plateau::testing {
namespace {

using ::testing::HasSubstr;

// Bytes in use by the profile's first line, "heap profile: <objects>: <bytes> [...", and what jeprof makes of its
// stacks.
struct Profile {
  double bytes = 0;
  std::string top;
};

Profile profile_of(bool fixed) {
  const ScratchFolder folder;
  std::vector<std::string> arguments{"--profile", folder / "lost.heap"};
  if (fixed) arguments.emplace_back("--fixed");
  const Finished finished =
      run(LOST_POINTER, arguments,
          {.environment = {"LD_PRELOAD=libjemalloc.so.2", "MALLOC_CONF=prof:true,lg_prof_sample:12"}});
  EXPECT_EQ(finished.status, 0) << finished.error;
  Profile profile;
  std::istringstream header(read_text(folder / "lost.heap"));
  std::string word;
  std::uint64_t objects = 0;
  char colon = 0;
  header >> word >> word >> objects >> colon >> profile.bytes;
  const Finished top = run("/usr/bin/jeprof", {"--text", LOST_POINTER, folder / "lost.heap"});
  EXPECT_EQ(top.status, 0) << top.error;
  profile.top = top.out;
  return profile;
}

TEST(LostPointer, TheFaultIsInTheProfileAndTheRepairIsNot) {
  const Profile fault = profile_of(false);
  const Profile repair = profile_of(true);
  EXPECT_THAT(fault.top, HasSubstr("LeakingSessions::login"));
  EXPECT_THAT(repair.top, HasSubstr("Total:"));
  EXPECT_GT(fault.bytes, 100 * (repair.bytes + 1));
}

TEST(LostPointer, SaysWhenTheAllocatorHasNoProfiler) {
  const Finished finished = run(LOST_POINTER, {"--profile", "never.heap"});
  EXPECT_EQ(finished.status, 2);
  EXPECT_THAT(finished.error, HasSubstr("glibc has no heap profiler"));
}

}  // namespace
}  // namespace plateau::testing
