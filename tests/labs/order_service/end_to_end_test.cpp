// The lab at small scale, as a user runs it; every claim is read from its JSON.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "tests/labs/lab_process.hpp"
#include "tests/labs/written_result.hpp"

namespace plateau::testing {
namespace {

using boost::json::object;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

double number(const boost::json::value& value) {
  return value.to_number<double>();
}

// Half an hour of simulated time in small batches: two arms in about three seconds.
const object& small_experiment() {
  static const object result = [] {
    const ScratchFolder folder;
    const Finished finished =
        run(ORDER_SERVICE, {"--hours", "0.5", "--settlement-orders", "200", "--json", folder / "out.json"});
    if (finished.status > 1) throw std::runtime_error(finished.error);
    return read_result(folder / "out.json");
  }();
  return result;
}

const object& arm(const object& result, std::size_t index) {
  return result.at("arms").at(index).as_object();
}

TEST(Experiment, HasTheShapeThatIsPromised) {
  const object& result = small_experiment();
  EXPECT_EQ(result.at("lab"), "order_service");
  ASSERT_EQ(result.at("arms").as_array().size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    const object& one = arm(result, i);
    for (const char* const key : {"name", "fixes", "allocator", "outcome", "limit", "input", "checksum",
                                  "simulated_seconds", "speedup", "capacity", "wall_seconds", "cpu_seconds", "memory",
                                  "allocation", "latency_us", "hiccup_us", "pauses", "profiles", "gauges"}) {
      EXPECT_TRUE(one.contains(key)) << key;
    }
    EXPECT_EQ(one.at("outcome"), "completed");
    EXPECT_EQ(one.at("allocator").at("name"), "jemalloc");
    EXPECT_EQ(one.at("input").at("operations"), 18000);
    EXPECT_GT(one.at("memory").at("series").as_array().size(), 10U);
    EXPECT_EQ(one.at("latency_us").at("count"), 18000);
    EXPECT_GT(number(one.at("hiccup_us").at("count")), 100);
  }
}

TEST(Experiment, BothArmsProduceTheSameOutput) {
  const object& result = small_experiment();
  EXPECT_EQ(arm(result, 0).at("checksum"), arm(result, 1).at("checksum"));
  EXPECT_EQ(row(result, "same output, in batches compared").at("holds"), true);
  EXPECT_EQ(number(row(result, "same output, in batches compared").at("before")),
            90);  // 44.5 batches of 200 a lane, and a half one
}

TEST(Experiment, BeforeGrowsAndAfterDoesNot) {
  const auto growth = [](const object& one) {
    const auto& series = one.at("memory").at("series").as_array();
    return number(series.back().at("rss")) - number(series.front().at("rss"));
  };
  EXPECT_GT(growth(arm(small_experiment(), 0)), 5 * growth(arm(small_experiment(), 1)));
}

TEST(Experiment, RowsAreWhatTheArmsMeasured) {
  const object& result = small_experiment();
  for (const std::size_t i : {0U, 1U}) {
    const object& one = arm(result, i);
    const char* const side = i == 0 ? "before" : "after";
    EXPECT_NEAR(number(row(result, "peak memory").at(side)), number(one.at("memory").at("peak_rss")) / 1e6, 0.01);
    EXPECT_NEAR(number(row(result, "CPU an order").at(side)), number(one.at("cpu_seconds")) * 1e6 / 18000, 0.01);
    EXPECT_NEAR(number(row(result, "allocation rate").at(side)),
                number(one.at("allocation").at("bytes_per_simulated_second")) / 1e6, 0.3);
  }
}

TEST(Experiment, ARunThatIsTooShortJudgesNoTargetOfADay) {
  for (const char* const metric : {"peak memory", "slope over the last 12 h", "RSS / requested live bytes, median",
                                   "heap calls an order, steady state"}) {
    EXPECT_TRUE(row(small_experiment(), metric).at("holds").is_null()) << metric;
    EXPECT_FALSE(row(small_experiment(), metric).at("note").as_string().empty()) << metric;
  }
}

TEST(Experiment, TheWaterfallIsInOrderInEverySample) {
  for (const std::size_t i : {0U, 1U}) {
    for (const auto& sample : arm(small_experiment(), i).at("memory").at("series").as_array()) {
      EXPECT_LE(number(sample.at("requested")), number(sample.at("allocated")) * 1.01);
      EXPECT_LE(number(sample.at("allocated")), number(sample.at("active")));
      EXPECT_LE(number(sample.at("active")), number(sample.at("resident")));
    }
  }
}

TEST(Experiment, AllocationCounterAgreesWithTheAllocator) {
  // Live bytes by our count (rounded up by size classes, and so less) against what jemalloc says is allocated, before
  // the fixes.
  const auto& last = arm(small_experiment(), 0).at("memory").at("series").as_array().back();
  const double ratio = number(last.at("requested")) / number(last.at("allocated"));
  EXPECT_GT(ratio, 0.6);
  EXPECT_LT(ratio, 1.0);
}

TEST(Experiment, FixesBuyWhatTheySayOnAllocationRate) {
  const object& result = small_experiment();
  EXPECT_LT(number(row(result, "allocation rate").at("after")),
            0.1 * number(row(result, "allocation rate").at("before")));
  EXPECT_LT(number(row(result, "heap calls an order, steady state").at("after")), 1);
  EXPECT_GT(number(row(result, "heap calls an order, steady state").at("before")), 100);
}

class EachAllocator : public ::testing::TestWithParam<const char*> {};

TEST_P(EachAllocator, RunsTheSameBinaryAndGivesTheSameOutput) {
  const ScratchFolder folder;
  const Finished finished = run(ORDER_SERVICE, {"run", "--fix", "none", "--allocator", GetParam(), "--hours", "0.5",
                                                "--settlement-orders", "200", "--json", folder / "out.json"});
  ASSERT_EQ(finished.status, 0) << finished.error;
  const object result = read_result(folder / "out.json");
  EXPECT_EQ(arm(result, 0).at("allocator").at("name"), GetParam());
  EXPECT_THAT(std::string(arm(result, 0).at("allocator").at("library").as_string()),
              HasSubstr(std::string(GetParam()) == "glibc" ? "libc" : GetParam()));
  EXPECT_EQ(arm(result, 0).at("checksum"), arm(small_experiment(), 0).at("checksum"));
}

INSTANTIATE_TEST_SUITE_P(All, EachAllocator, ::testing::Values("jemalloc", "tcmalloc", "mimalloc", "glibc"),
                         [](const auto& test) { return std::string(test.param); });

TEST(Allocator, ALibraryOfTheUsersOwnIsFoundOutForWhatItIs) {
  const ScratchFolder folder;
  std::string library;
  for (const auto& folder_of_machine : std::filesystem::directory_iterator("/usr/lib")) {
    const auto file = folder_of_machine.path() / "libtcmalloc_minimal.so.4";
    if (std::filesystem::exists(file)) library = file;
  }
  ASSERT_FALSE(library.empty());
  const Finished finished =
      run(ORDER_SERVICE, {"run", "--allocator", library, "--hours", "0.05", "--json", folder / "out.json"});
  ASSERT_EQ(finished.status, 0) << finished.error;
  EXPECT_EQ(arm(read_result(folder / "out.json"), 0).at("allocator").at("name"), "tcmalloc");
}

TEST(Allocator, ALibraryThatIsNoAllocatorIsRefused) {
  const Finished finished = run(ORDER_SERVICE, {"run", "--allocator", ORDER_SERVICE_LIBRARY, "--hours", "0.05"});
  EXPECT_EQ(finished.status, 2);
  EXPECT_THAT(finished.error, HasSubstr("but malloc comes from"));
}

TEST(Allocator, TheUsersOwnMallocConfIsKeptAndRecorded) {
  const ScratchFolder folder;
  const Finished finished = run(ORDER_SERVICE, {"run", "--hours", "0.05", "--json", folder / "out.json"},
                                {.environment = {"MALLOC_CONF=narenas:3"}});
  ASSERT_EQ(finished.status, 0) << finished.error;
  EXPECT_THAT(std::string(arm(read_result(folder / "out.json"), 0).at("allocator").at("configuration").as_string()),
              HasSubstr("narenas:3"));
  EXPECT_THAT(std::string(arm(read_result(folder / "out.json"), 0).at("allocator").at("conf").as_string()),
              AllOf(HasSubstr("dirty_decay_ms:"), EndsWith(",narenas:3")));
}

TEST(Allocator, AnEmptyMallocConfIsNone) {
  const Finished finished = run(ORDER_SERVICE, {"run", "--hours", "0.02"}, {.environment = {"MALLOC_CONF="}});
  EXPECT_EQ(finished.status, 0) << finished.error;
}

TEST(Replay, RunsTheOrdersOfAFileOverAndOver) {
  const ScratchFolder folder;
  std::ofstream(folder / "orders.jsonl")
      << R"({"customer": 1, "lines": [{"sku": "SKU-000001", "quantity": 1, "note": "first"}]})" << '\n'
      << R"({"customer": 2, "lines": [{"sku": "SKU-000002", "quantity": 2}, {"sku": "SKU-000003", "quantity": 3}]})"
      << '\n';
  const Finished finished = run(ORDER_SERVICE, {"--orders", folder / "orders.jsonl", "--hours", "0.1",
                                                "--settlement-orders", "100", "--json", folder / "out.json"});
  ASSERT_LE(finished.status, 1) << finished.error;
  const object result = read_result(folder / "out.json");
  EXPECT_EQ(arm(result, 0).at("input").at("operations"), 3600);
  EXPECT_EQ(arm(result, 0).at("checksum"), arm(result, 1).at("checksum"));
}

TEST(Seed, ChangesTheInputAndTheSameSeedDoesNot) {
  const ScratchFolder folder;
  std::set<std::string> checksums;
  for (const char* const seed : {"1", "2", "2"}) {
    run(ORDER_SERVICE,
        {"run", "--hours", "0.05", "--settlement-orders", "100", "--seed", seed, "--json", folder / "out.json"});
    checksums.emplace(arm(read_result(folder / "out.json"), 0).at("checksum").as_string());
  }
  EXPECT_EQ(checksums.size(), 2U);
}

TEST(Ablation, RunsEveryArmAndExplainsTheWrongFixes) {
  const ScratchFolder folder;
  const Finished finished =
      run(ORDER_SERVICE, {"ablate", "--hours", "0.1", "--settlement-orders", "100", "--json", folder / "out.json"});
  ASSERT_EQ(finished.status, 0) << finished.error;
  const object result = read_result(folder / "out.json");
  EXPECT_EQ(result.at("arms").as_array().size(), 17U);
  const auto& rows = result.at("ablation").at("rows").as_array();
  ASSERT_EQ(rows.size(), 17U);
  std::set<std::string> checksums;
  for (const auto& one : result.at("arms").as_array()) checksums.emplace(one.at("checksum").as_string());
  EXPECT_EQ(checksums.size(), 1U);
  int reasons = 0;
  for (const auto& one : rows) reasons += one.at("reason").is_string() ? 1 : 0;
  EXPECT_EQ(reasons, 3);
  const auto rate = [&rows](std::string_view name) {
    for (const auto& one : rows) {
      if (one.at("arm").as_string() == name) return number(one.at("allocation_bytes_per_simulated_second"));
    }
    throw std::runtime_error("no arm " + std::string(name));
  };
  EXPECT_LT(rate("only-query"), 0.5 * rate("none"));
  EXPECT_LT(rate("only-buffers"), rate("none"));
  EXPECT_GT(rate("all-but-query"), 10 * rate("all"));
}

TEST(Output, InAPipeIsPlainLines) {
  const Finished finished = run(ORDER_SERVICE, {"run", "--hours", "0.05"});
  EXPECT_THAT(finished.out, Not(HasSubstr("\033[")));
  EXPECT_THAT(finished.out, Not(HasSubstr("\r")));
  EXPECT_TRUE(finished.error.empty()) << finished.error;
}

TEST(Interrupt, EndsTheArmAndRemovesItsCgroup) {
  for (const int signal : {SIGINT, SIGTERM}) {
    bool sent = false;
    const auto interrupt_once = [&](const std::string& out) {
      if (sent || out.find("RSS") == std::string::npos) return 0;  // the arm is at work
      sent = true;
      return signal;
    };
    const Finished finished = run(ORDER_SERVICE, {"run", "--hours", "24"}, {}, interrupt_once);
    EXPECT_EQ(finished.status, 128 + signal);
    EXPECT_EQ(finished.error, "order_service: interrupted; the arm was ended and its cgroup removed\n");
    EXPECT_TRUE(cgroups_of(finished.pid).empty());
  }
}

}  // namespace
}  // namespace plateau::testing
