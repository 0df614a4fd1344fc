// Protects `plateau try`: a difference that is there is found, one that is not is not claimed, and a program that fails
// under a setting is no result.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "profiling/plateau/trial.hpp"
#include "tests/support/child_program.hpp"

namespace plateau::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(Trial, ReadsSettings) {
  const TrialArm arm = trial_arm({"MALLOC_ARENA_MAX=2", "jemalloc", "EMPTY="});
  EXPECT_EQ(arm.name, "MALLOC_ARENA_MAX=2 jemalloc EMPTY=");
  EXPECT_THAT(arm.environment,
              ElementsAre(Pair("MALLOC_ARENA_MAX", "2"), Pair("EMPTY", ""), Pair("LD_PRELOAD", "libjemalloc.so.2")));
  for (const auto& wrong :
       std::vector<std::vector<std::string>>{{"nonsense"}, {"=x"}, {"/no/such/library.so"}, {"jemalloc", "tcmalloc"}}) {
    EXPECT_THROW(trial_arm(wrong), std::runtime_error) << wrong.front();
  }
}

TEST(Trial, ComparesPairs) {
  const Ratio clear = ratio_of({2, 3, 2, 2, 2}, {1, 1, 1, 1, 1});
  EXPECT_DOUBLE_EQ(clear.median, 2);
  EXPECT_DOUBLE_EQ(clear.most, 3);
  EXPECT_TRUE(clear.is_clear());
  EXPECT_FALSE(ratio_of({1, 3, 1, 1, 1}, {2, 2, 2, 2, 2}).is_clear()) << "once less, once more";
  EXPECT_FALSE(ratio_of({2, 2}, {1, 1}).is_clear()) << "two of a kind are no evidence";
  EXPECT_DOUBLE_EQ(median_of({4, 1, 3, 2}), 2.5);
}

TEST(Trial, MeasuresWhatAProgramStarts) {
  const TrialArm as_it_is{.name = "as it is", .environment = {}};
  const Trial trial = run_trial(
      "/bin/sh", {"sh", "-c", "/usr/bin/python3 -c 'import time; kept = bytearray(80000000); time.sleep(0.5)'; exit 3"},
      as_it_is, {});
  EXPECT_EQ(WEXITSTATUS(trial.status), 3);
  EXPECT_GT(trial.peak_rss_bytes, 80e6);
  EXPECT_LT(trial.peak_rss_bytes, 160e6);
  EXPECT_GT(trial.cpu_seconds, 0);
}

TEST(PlateauTry, FindsADifference) {
  const std::string script =
      "import os, time; kept = bytearray(20000000 * int(os.environ.get('SIZE', 1))); time.sleep(0.2)";
  const Finished found =
      run_to_end({PLATEAU, "try", "SIZE=4", "--vs", "SIZE=1", "--runs", "5", "--", "/usr/bin/python3", "-c", script});
  EXPECT_EQ(found.status, 0) << found.error;
  EXPECT_THAT(found.out, HasSubstr("with SIZE=4"));
  EXPECT_THAT(found.out, HasSubstr("with SIZE=1"));
  const std::string bigger = found.out.substr(found.out.find("with SIZE=4"));
  EXPECT_THAT(bigger.substr(0, bigger.find('\n', bigger.find("peak RSS"))),
              ::testing::Not(::testing::AnyOf(HasSubstr("no difference"), HasSubstr("not judged"))));
}

TEST(PlateauTry, SaysWhenTheProgramDoesNotEndAlike) {
  const Finished found = run_to_end({PLATEAU, "try", "FAIL=4", "--runs", "1", "--", "sh", "-c", "exit ${FAIL:-0}"});
  EXPECT_EQ(found.status, 1);
  EXPECT_THAT(found.error, HasSubstr("does not end alike: 0 the first time as it is, 4 with FAIL=4"));
}

TEST(PlateauTry, EndsAService) {
  const Finished found = run_to_end({PLATEAU, "try", "X=1", "--runs", "1", "--for", "300ms", "--", "sleep", "1000"});
  EXPECT_EQ(found.status, 0) << found.error;
}

TEST(PlateauTry, RefusesInOneLine) {
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{PLATEAU, "try", "A=1"},
                                             {PLATEAU, "try", "--", "true"},
                                             {PLATEAU, "try", "nonsense", "--", "true"},
                                             {PLATEAU, "try", "--runs", "0", "A=1", "--", "true"}}) {
    const Finished refused = run_to_end(arguments);
    EXPECT_EQ(refused.status, 2) << arguments[2];
    EXPECT_EQ(std::count(refused.error.begin(), refused.error.end(), '\n'), 1) << refused.error;
  }
  EXPECT_EQ(run_to_end({PLATEAU, "try", "A=1", "--", "plateau-no-such-program"}).status, 127);
}

}  // namespace
}  // namespace plateau::testing
