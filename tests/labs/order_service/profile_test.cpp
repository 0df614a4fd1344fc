// Protects the labs' heap profiles: they exist, pprof reads them with no binary at hand, and they name the growing
// parts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/labs/lab_process.hpp"

namespace plateau::testing {
namespace {

using ::testing::HasSubstr;

std::string top(const std::string& profile) {
  return run(PPROF, {"-top", "-cum", "-nodefraction=0", "-nodecount=2000", "-symbolize=none", profile}).out;
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
    EXPECT_THAT(top(std::string(profiles.at(moment).as_string())), HasSubstr("Type: inuse_space")) << moment;
    EXPECT_FALSE(std::filesystem::exists(folder / "profiles/run-" + moment + ".heap")) << "not asked for";
  }
  const std::string growing = top(std::string(profiles.at("end").as_string()));
  EXPECT_THAT(growing, HasSubstr("UnboundedOutbox::keep")) << growing;
  EXPECT_THAT(growing, HasSubstr("HistoryAmongTemporaries::record")) << growing;
}

INSTANTIATE_TEST_SUITE_P(All, Profiled, ::testing::Values("jemalloc", "tcmalloc"),
                         [](const auto& test) { return std::string(test.param); });

TEST(Profile, OfAKilledArmIsThereFromJustBelowTheLimit) {
  const ScratchFolder folder;
  const Finished finished = run(ORDER_SERVICE, {"run", "--fix", "none", "--memory-limit", "250MiB", "--hours", "6",
                                                "--profile", folder / "profiles", "--profile-raw"});
  ASSERT_EQ(finished.status, 0) << finished.error;
  EXPECT_TRUE(std::filesystem::exists(folder / "profiles/run-peak.pb.gz"));
  EXPECT_TRUE(std::filesystem::exists(folder / "profiles/run-peak.heap")) << "--profile-raw";
  EXPECT_FALSE(std::filesystem::exists(folder / "profiles/run-end.pb.gz")) << "a killed arm has no end to profile";
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
