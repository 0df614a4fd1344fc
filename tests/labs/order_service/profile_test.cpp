// Protects the labs' heap profiles: they exist, pprof reads them with no binary at hand, and they name the growing
// parts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include "tests/labs/lab_process.hpp"
#include "tests/labs/written_result.hpp"

namespace plateau::testing {
namespace {

using ::testing::HasSubstr;

std::string top(const std::string& profile) {
  return run(PPROF, {"-top", "-cum", "-nodefraction=0", "-nodecount=2000", "-symbolize=none", profile}).out;
}

// The total that pprof prints.
double in_use_megabytes(const std::string& profile) {
  const std::string text = run(PPROF, {"-top", "-unit=MB", "-symbolize=none", profile}).out;
  std::smatch match;
  return std::regex_search(text, match, std::regex("of ([0-9.]+)MB total")) ? std::stod(match[1]) : -1;
}

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.push_back(entry.path().filename());
  return names;
}

class Profiled : public ::testing::TestWithParam<const char*> {};

TEST_P(Profiled, BeforeNamesTheOutboxAndTheHistory) {
  const ScratchFolder folder;
  // gperftools unwinds every allocation, with system calls for each frame: a minute for a twentieth of an hour.
  const char* const hours = std::string(GetParam()) == "tcmalloc" ? "0.05" : "0.15";
  const Finished finished =
      run(ORDER_SERVICE,
          {"run", "--fix", "none", "--allocator", GetParam(), "--hours", hours, "--settlement-orders", "200",
           "--profile", folder / "profiles", "--json", folder / "out.json"},
          // A short run needs dense samples.
          {.environment = {"MALLOC_CONF=lg_prof_sample:14", "PLATEAU_SAMPLE_PERIOD=16384"}});
  ASSERT_EQ(finished.status, 0) << finished.error;
  const auto profiles = read_result(folder / "out.json").at("arms").at(0).at("profiles").as_object();
  for (const char* const moment : {"start", "peak", "end"}) {
    ASSERT_TRUE(profiles.contains(moment)) << moment;
    EXPECT_THAT(top(std::string(profiles.at(moment).as_string())), HasSubstr("Type: inuse_space")) << moment;
    EXPECT_FALSE(std::filesystem::exists(folder / "profiles/run-" + moment + ".heap")) << "not asked for";
  }
  const std::string growing = top(std::string(profiles.at("end").as_string()));
  EXPECT_THAT(growing, HasSubstr("UnboundedOutbox::keep")) << growing;
  EXPECT_THAT(growing, HasSubstr("HistoryAmongTemporaries::record")) << growing;
}

INSTANTIATE_TEST_SUITE_P(All, Profiled, ::testing::Values("jemalloc", "tcmalloc", "glibc", "mimalloc"),
                         [](const auto& test) { return std::string(test.param); });

// The evidence is on disk when the kernel has killed: the way to the limit, in steps.
TEST(Profile, OfAKilledArmIsThereFromJustBelowTheLimit) {
  const ScratchFolder folder;
  const Finished finished = run(ORDER_SERVICE, {"run", "--fix", "none", "--memory-limit", "250MiB", "--hours", "6",
                                                "--profile", folder / "profiles", "--json", folder / "out.json"});
  ASSERT_EQ(finished.status, 0) << finished.error;
  const auto arm = read_result(folder / "out.json").at("arms").at(0).as_object();
  ASSERT_EQ(arm.at("outcome").as_string(), "oom_killed");
  const auto profiles = arm.at("profiles").as_object();
  EXPECT_TRUE(profiles.contains("start"));
  EXPECT_TRUE(profiles.contains("peak"));
  EXPECT_FALSE(profiles.contains("end")) << "a killed arm has no end to profile";

  std::map<int, std::string> near_limit;  // by number, the last one last
  for (const auto& [moment, file] : profiles) {
    if (moment.starts_with("near-limit-")) near_limit[std::stoi(moment.substr(11))] = file.as_string();
  }
  ASSERT_GE(near_limit.size(), 2u);
  EXPECT_LE(near_limit.size(), 4u) << "the last three, and one that was being written";
  const std::string last = near_limit.rbegin()->second;
  EXPECT_THAT(top(last), HasSubstr("UnboundedOutbox::keep"));
  EXPECT_THAT(finished.out, HasSubstr("near-limit-" + std::to_string(near_limit.rbegin()->first)));
  // The last steps are as little as 1 MB apart, which is less than what sampling and freed orders add and take.
  const double at_start = in_use_megabytes(std::string(profiles.at("start").as_string()));
  for (const auto& [number, file] : near_limit) {
    EXPECT_GT(in_use_megabytes(file), 0.6 * 250) << file;
    EXPECT_GT(in_use_megabytes(file), 2 * at_start) << file;
  }
  EXPECT_EQ(profiles.size(), files_in(folder / "profiles").size()) << "and nothing else is left there";
}

TEST(Profile, RawDumpsAreKeptWhenAskedFor) {
  const ScratchFolder folder;
  std::filesystem::create_directory(folder / "profiles");
  std::ofstream(folder / "profiles/run-near-limit-7.pb.gz") << "of an earlier run";
  const Finished finished = run(
      ORDER_SERVICE, {"run", "--fix", "none", "--hours", "0.02", "--profile", folder / "profiles", "--profile-raw"});
  ASSERT_EQ(finished.status, 0) << finished.error;
  EXPECT_THAT(files_in(folder / "profiles"),
              ::testing::UnorderedElementsAre("run-start.pb.gz", "run-start.heap", "run-peak.pb.gz", "run-peak.heap",
                                              "run-end.pb.gz", "run-end.heap"));
}

TEST(Profile, OfWhatCannotBeWrittenTheDumpIsKeptAndTheStatusIsTwo) {
  const ScratchFolder folder;
  const std::string in_the_way = folder / "profiles/run-start.pb.gz";
  std::filesystem::create_directories(in_the_way + "/folder");
  const Finished finished = run(ORDER_SERVICE, {"run", "--fix", "none", "--hours", "0.02", "--profile",
                                                folder / "profiles", "--json", folder / "out.json"});
  EXPECT_EQ(finished.status, 2) << finished.error;
  EXPECT_THAT(finished.error, HasSubstr("order_service: cannot write " + in_the_way + ": it is a folder"));
  EXPECT_TRUE(std::filesystem::exists(folder / "profiles/run-start.heap"));
  const auto profiles = read_json(folder / "out.json").at("arms").at(0).at("profiles").as_object();
  EXPECT_TRUE(profiles.contains("end")) << "the others are there, and so is the result";
  EXPECT_FALSE(profiles.contains("start"));
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
