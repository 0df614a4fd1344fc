// The lab as a user runs it, small: what it writes, that every fix gives the same answers, that memory without a bound
// is killed, and that what it keeps is used again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <vector>

#include "tests/labs/lab_process.hpp"
#include "tests/labs/served_lab.hpp"
#include "tests/labs/written_result.hpp"

namespace plateau::testing {
namespace {

using boost::json::object;
using ::testing::HasSubstr;
using ::testing::Not;

double number(const boost::json::value& value) {
  return value.to_number<double>();
}

double gauge(const object& arm, const char* name) {
  return number(arm.at("gauges").at(name));
}

// Built by whoever comes first.
const ScratchFolder& store_folder() {
  static const ScratchFolder folder;
  return folder;
}

// The last one is the age that answers may have.
std::vector<std::string> small(const std::vector<std::string>& more) {
  std::vector<std::string> arguments = more;
  for (const char* const one : {"--rows", "20000", "--note-bytes", "100", "--steady", "1.5", "--think", "0.02",
                                "--rush", "1", "--order-group", "0.1", "--cache-folder"})
    arguments.emplace_back(one);
  arguments.push_back(store_folder().path());
  arguments.emplace_back("--max-age");
  arguments.emplace_back("5");
  return arguments;
}

TEST(OrderStatistics, BeforeAndAfterGiveTheSameAnswers) {
  const ScratchFolder folder;
  const Finished finished = run(ORDER_STATISTICS, small({"--json", folder / "out.json"}));
  ASSERT_LE(finished.status, 1) << finished.error;
  const object result = read_result(folder / "out.json");
  for (const auto& one : result.at("arms").as_array()) {
    const object& arm = one.as_object();
    EXPECT_EQ(arm.at("outcome"), "completed");
    EXPECT_EQ(gauge(arm, "answers wrong or too old"), 0);
    EXPECT_GT(number(arm.at("latency_us").at("count")), 10);
  }
  const object& before = result.at("arms").at(0).as_object();
  const object& after = result.at("arms").at(1).as_object();
  EXPECT_FALSE(before.at("checksum").is_null());
  EXPECT_EQ(before.at("checksum"), after.at("checksum"));
  EXPECT_EQ(row(result, "same output, in batches compared").at("holds"), true);
  EXPECT_EQ(number(row(result, "full scans in the plan").at("before")), 1);
  EXPECT_EQ(number(row(result, "full scans in the plan").at("after")), 0);
  EXPECT_EQ(row(result, "waits for a lock").at("holds"), true) << "after";
  EXPECT_TRUE(row(result, "query, P50").at("holds").is_null()) << "so small a store is not the case study's";
  EXPECT_GT(gauge(after, "cache hits percent"), 50);
  EXPECT_EQ(gauge(after, "for one question at most"), 1);
  EXPECT_GT(gauge(after, "index bytes"), 100'000);
  EXPECT_EQ(gauge(before, "index bytes"), 0);
  EXPECT_FALSE(result.at("predictions").as_array().empty());
  EXPECT_THAT(finished.out, HasSubstr("plan of a query: SCAN orders; USE TEMP B-TREE FOR GROUP BY"));
}

TEST(OrderStatistics, TheStoreIsKeptAndUsedAgain) {
  const ScratchFolder cache;
  const std::vector<std::string> arguments{"run",        "--rows",   "2000", "--note-bytes", "20", "--cache-folder",
                                           cache.path(), "--steady", "0.2",  "--rush",       "0"};
  const Finished first = run(ORDER_STATISTICS, arguments);
  ASSERT_EQ(first.status, 0) << first.error;
  EXPECT_THAT(first.out, HasSubstr("the store is built: 100 %"));
  const Finished second = run(ORDER_STATISTICS, arguments);
  ASSERT_EQ(second.status, 0) << second.error;
  EXPECT_THAT(second.out, Not(HasSubstr("the store is built")));
  EXPECT_THAT(second.out, HasSubstr("from an earlier run"));
}

TEST(OrderStatistics, WithoutSingleFlightClientsAskForTheSameAtOnce) {
  const ScratchFolder folder;
  const auto most_with = [&](const char* fixes, const char* max_age) {
    std::vector<std::string> arguments =
        small({"run", "--fix", fixes, "--rush-rate", "4000", "--json", folder / "out.json"});
    arguments.back() = max_age;
    const Finished finished = run(ORDER_STATISTICS, arguments);
    EXPECT_EQ(finished.status, 0) << finished.error;
    const object arm = read_result(folder / "out.json").at("arms").at(0).as_object();
    EXPECT_EQ(gauge(arm, "answers wrong or too old"), 0) << fixes;
    return gauge(arm, "for one question at most");
  };
  // Whoever finds a query that has run for longer than an answer may be old does not wait for it.
  EXPECT_EQ(most_with("all,-incremental", "60"), 1);
  EXPECT_GT(most_with("no-jitter", "0.02"), 1);
}

TEST(OrderStatistics, KeepingEveryOrderIsKilledWhereAnswersHaveRoom) {
  const ScratchFolder folder;
  const auto run_with = [&](const char* fixes) {
    const Finished finished =
        run(ORDER_STATISTICS, {"run", "--fix", fixes, "--rows", "100000", "--note-bytes", "1500", "--cache-folder",
                               store_folder().path(), "--memory-limit", "64MiB", "--steady", "2", "--think", "0.01",
                               "--rush", "2", "--json", folder / "out.json"});
    EXPECT_EQ(finished.status, 0) << finished.error;
    EXPECT_TRUE(cgroups_of(finished.pid).empty());
    return read_result(folder / "out.json").at("arms").at(0).as_object();
  };
  const object killed = run_with("cache-everything");
  if (!std::string(killed.at("limit").at("by").as_string()).starts_with("cgroup"))
    GTEST_SKIP() << "no cgroup can be made here: RLIMIT_DATA counts address space, not pages";
  EXPECT_EQ(killed.at("outcome"), "oom_killed");
  const object bounded = run_with("all,-incremental");
  EXPECT_EQ(bounded.at("outcome"), "completed");
}

TEST(OrderStatistics, AStoreThatAnInterruptedRunLeftIsUsable) {
  const ScratchFolder cache;
  const std::vector<std::string> arguments{ORDER_STATISTICS, "run",        "--fix",        "incremental,index",
                                           "--rows",         "2000",       "--note-bytes", "20",
                                           "--cache-folder", cache.path(), "--steady",     "600",
                                           "--think",        "0",          "--order-rate", "100"};
  {
    ChildProgram lab(arguments);
    while (lab.read_line().find("plan of a query") == std::string::npos) {
    }
    lab.signal(SIGTERM);
    EXPECT_EQ(lab.wait(), 128 + SIGTERM);
  }
  const ScratchFolder folder;
  const Finished next = run(
      ORDER_STATISTICS, {"run", "--fix", "none", "--rows", "2000", "--note-bytes", "20", "--cache-folder", cache.path(),
                         "--steady", "0.5", "--think", "0.01", "--rush", "0", "--json", folder / "out.json"});
  ASSERT_EQ(next.status, 0) << next.error;
  EXPECT_THAT(next.out, HasSubstr("from an earlier run"));
  EXPECT_EQ(gauge(read_result(folder / "out.json").at("arms").at(0).as_object(), "answers wrong or too old"), 0);
}

TEST(OrderStatistics, ServesWithItsPage) {
  ServedLab lab(ORDER_STATISTICS, {"--fix", "all", "--rate", "50", "--rows", "20000", "--note-bytes", "100",
                                   "--cache-folder", store_folder().path()});
  EXPECT_EQ(lab.hello().at("lab").as_string(), "order_statistics");
  EventStream stream(lab.port());
  stream.next("sample", [at = lab.column("done")](const boost::json::value& sample) {
    const boost::json::value& value = sample.at("values").at(at);
    return value.is_number() && number(value) > 0;
  });
  EXPECT_EQ(lab.turn("fix-index", R"({"value": false})").result_int(), 409U) << "fixes are chosen at the start";
  EXPECT_EQ(lab.interrupt(), 0);
}

struct BadArguments {
  const char* name;
  std::vector<std::string> arguments;
  const char* says;
};
void PrintTo(const BadArguments& bad, std::ostream* out) {
  *out << bad.name;
}

class OrderStatisticsRefuses : public ::testing::TestWithParam<BadArguments> {};

TEST_P(OrderStatisticsRefuses, BadArgumentsInOneLine) {
  const Finished finished = run(ORDER_STATISTICS, GetParam().arguments);
  EXPECT_EQ(finished.status, 2);
  EXPECT_THAT(finished.error, HasSubstr(GetParam().says));
  EXPECT_EQ(std::count(finished.error.begin(), finished.error.end(), '\n'), 1) << finished.error;
}

INSTANTIATE_TEST_SUITE_P(
    All, OrderStatisticsRefuses,
    ::testing::Values(BadArguments{"too_few_orders", {"--rows", "3"}, "--rows"},
                      BadArguments{"notes_that_would_overflow", {"--note-bytes", "5000"}, "--note-bytes"},
                      BadArguments{"too_many_orders", {"--order-rate", "1000", "--steady", "3000"}, "there may be"},
                      BadArguments{"a_folder_that_cannot_be", {"--cache-folder", "/dev/null/x"}, "/dev/null/x"},
                      BadArguments{"simulated_time", {"--hours", "2"}, "a batch ends when its operations are done"},
                      BadArguments{"unknown_fix", {"run", "--fix", "shards"}, "there is no fix 'shards'"}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace plateau::testing
