// Protects the heap-profile hooks: dumps exist, are in the text form that pprof reads, and hold stacks of the growing
// parts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/labs/lab_process.hpp"

namespace plateau::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// Which function each stack belongs to, as binutils' symboliser would tell pprof; enough is the text of jeprof, which
// comes with jemalloc and reads the same form.
std::string top(const std::string& profile) {
  return run("/usr/bin/jeprof", {"--text", "--cum", ORDER_SERVICE, profile}).out;
}

class Profiled : public ::testing::TestWithParam<const char*> {};

TEST_P(Profiled, BeforeNamesTheOutboxAndTheHistory) {
  const ScratchFolder folder;
  const Finished finished =
      run(ORDER_SERVICE,
          {"run", "--fix", "none", "--allocator", GetParam(), "--hours", "0.15", "--settlement-orders", "200",
           "--profile", folder / "profiles", "--json", folder / "out.json"},
          {.environment = {"MALLOC_CONF=lg_prof_sample:14"}});  // a short run needs dense samples
  ASSERT_EQ(finished.status, 0) << finished.error;
  const auto profiles = read_json(folder / "out.json").at("arms").at(0).at("profiles").as_object();
  for (const char* const moment : {"start", "peak", "end"}) {
    ASSERT_TRUE(profiles.contains(moment)) << moment;
    const std::string text = read_text(std::string(profiles.at(moment).as_string()));
    EXPECT_THAT(text, StartsWith("heap profile: ")) << moment;
    EXPECT_THAT(text, HasSubstr("MAPPED_LIBRARIES:")) << moment;
  }
  const std::string growing = top(std::string(profiles.at("end").as_string()));
  EXPECT_THAT(growing, HasSubstr("encode_before")) << growing;
  EXPECT_THAT(growing, HasSubstr("HistoryAmongTemporaries::record")) << growing;
}

INSTANTIATE_TEST_SUITE_P(All, Profiled, ::testing::Values("jemalloc", "tcmalloc"),
                         [](const auto& test) { return std::string(test.param); });

TEST(Profile, OfAKilledArmIsThereFromJustBelowTheLimit) {
  const ScratchFolder folder;
  const Finished finished = run(ORDER_SERVICE, {"run", "--fix", "none", "--memory-limit", "250MiB", "--hours", "6",
                                                "--profile", folder / "profiles"});
  ASSERT_EQ(finished.status, 0) << finished.error;
  EXPECT_TRUE(std::filesystem::exists(folder / "profiles/run-peak.heap"));
  EXPECT_FALSE(std::filesystem::exists(folder / "profiles/run-end.heap")) << "a killed arm has no end to profile";
}

TEST(HeapProfile, TheVariableOfGperftoolsWorksAsItDocuments) {
  const ScratchFolder folder;
  const Finished finished = run(ORDER_SERVICE, {"run", "--allocator", "tcmalloc", "--hours", "0.02"},
                                {.environment = {"HEAPPROFILE=" + folder / "order"}});
  ASSERT_EQ(finished.status, 0) << finished.error;
  EXPECT_TRUE(std::filesystem::exists(folder / "order.0001.heap"));
}

}  // namespace
}  // namespace plateau::testing
