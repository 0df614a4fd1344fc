// The end of the story, for real: the kernel kills, and the parent lives to tell.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "tests/labs/lab_process.hpp"
#include "tests/labs/written_result.hpp"

namespace plateau::testing {
namespace {

using boost::json::object;
using ::testing::HasSubstr;

// A limit that "before" passes within an hour of simulated time.
object run_out_of_memory(const std::string& program, const std::string& allocator, const ScratchFolder& folder,
                         bool as_nobody) {
  const Finished finished = run(program,
                                {"run", "--fix", "none", "--memory-limit", "200MiB", "--allocator", allocator,
                                 "--hours", "6", "--json", folder / "out.json"},
                                {.as_nobody = as_nobody});
  EXPECT_EQ(finished.status, 0) << finished.error;
  EXPECT_TRUE(cgroups_of(finished.pid).empty());
  return read_result(folder / "out.json").at("arms").at(0).as_object();
}

void expect_series_up_to_the_end(const object& arm) {
  const auto& series = arm.at("memory").at("series").as_array();
  ASSERT_GT(series.size(), 5U);
  EXPECT_GT(arm.at("input").at("operations").to_number<double>(), 1000);
  EXPECT_LT(arm.at("input").at("operations").to_number<double>(), 6 * 36000);
  EXPECT_GT(arm.at("memory").at("peak_rss").to_number<double>(), 150e6) << "the series must reach up to the limit";
}

class OutOfMemory : public ::testing::TestWithParam<const char*> {};

TEST_P(OutOfMemory, TheKernelKillsOrTheAllocatorFailsAndTheResultSurvives) {
  const ScratchFolder folder;
  const object arm = run_out_of_memory(ORDER_SERVICE, GetParam(), folder, false);
  const auto by = std::string(arm.at("limit").at("by").as_string());
  if (by.starts_with("cgroup")) {
    EXPECT_EQ(arm.at("outcome"), "oom_killed");
    EXPECT_THAT(std::string(arm.at("evidence").as_string()), HasSubstr("oom_kill 1"));
  } else {
    EXPECT_EQ(arm.at("outcome"), "allocation_failed");
  }
  expect_series_up_to_the_end(arm);
}

INSTANTIATE_TEST_SUITE_P(All, OutOfMemory, ::testing::Values("jemalloc", "tcmalloc", "mimalloc", "glibc"),
                         [](const auto& test) { return std::string(test.param); });

TEST(OutOfMemoryWithoutRoot, TheLimitIsRlimitDataAndTheOutcomeSaysSo) {
  const ScratchFolder folder;
  // Where nobody may read it, whoever built the project.
  std::filesystem::copy_file(ORDER_SERVICE, folder.path() / "order_service");
  std::filesystem::permissions(folder.path() / "order_service", std::filesystem::perms::owner_all |
                                                                    std::filesystem::perms::others_read |
                                                                    std::filesystem::perms::others_exec);
  const object arm = run_out_of_memory(folder / "order_service", "jemalloc", folder, true);
  if (arm.at("limit").at("by") == "rlimit_data") {
    EXPECT_EQ(arm.at("outcome"), "allocation_failed") << "without the kernel's evidence it must not be called a kill";
    EXPECT_THAT(std::string(arm.at("allocator").at("conf").as_string()), HasSubstr("retain:false"));
  } else {
    EXPECT_EQ(arm.at("outcome"), "oom_killed") << "a user with a cgroup of their own";
  }
  const auto& series = arm.at("memory").at("series").as_array();
  EXPECT_GT(series.size(), 5U);
}

TEST(BiggerLimit, OnlyPostponesTheEnd) {
  const ScratchFolder folder;
  const auto orders_with = [&](const char* fix) {
    const Finished finished = run(ORDER_SERVICE, {"run", "--fix", fix, "--memory-limit", "200MiB", "--hours", "6",
                                                  "--json", folder / "out.json"});
    EXPECT_EQ(finished.status, 0) << finished.error;
    const object arm = read_result(folder / "out.json").at("arms").at(0).as_object();
    EXPECT_NE(arm.at("outcome"), "completed");
    return arm.at("input").at("operations").to_number<double>();
  };
  EXPECT_GT(orders_with("bigger-limit"), orders_with("none"));
}

}  // namespace
}  // namespace plateau::testing
