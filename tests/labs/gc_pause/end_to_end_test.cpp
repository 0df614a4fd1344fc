// The lab as a user runs it, small: what it writes, who is named, and that the wrong fixes fail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include "profiling/formats/pprof_reader.hpp"
#include "tests/labs/lab_process.hpp"
#include "tests/labs/written_result.hpp"

namespace plateau::testing {
namespace {

using boost::json::object;
using ::testing::HasSubstr;

const object& arm(const object& result, std::size_t index) {
  return result.at("arms").at(index).as_object();
}

double number(const boost::json::value& value) {
  return value.to_number<double>();
}

TEST(GcPause, BeforePausesAndAfterDoesNot) {
  const ScratchFolder folder;
  const Finished finished =
      run(GC_PAUSE, {"--heap", "128MiB", "--period", "1s", "--periods", "4", "--json", folder / "out.json", "--profile",
                     folder / "profiles", "--trace", folder / "trace.json"});
  ASSERT_LE(finished.status, 1) << finished.error;
  const object result = read_result(folder / "out.json");
  const object& before = arm(result, 0);
  const object& after = arm(result, 1);
  EXPECT_EQ(before.at("outcome"), "completed");
  EXPECT_EQ(after.at("outcome"), "completed");
  EXPECT_FALSE(before.at("checksum").is_null());
  EXPECT_EQ(before.at("checksum"), after.at("checksum"));

  const auto& causes = before.at("pauses").at("by_cause");
  EXPECT_GT(number(causes.at("purge")), 1);
  EXPECT_GT(number(causes.at("teardown")), 0.5);
  EXPECT_LT(number(after.at("pauses").at("by_cause").at("purge")), number(causes.at("purge")) / 20);
  EXPECT_LT(number(after.at("pauses").at("by_cause").at("teardown")), number(causes.at("teardown")) / 20);
  double sum = 0;
  for (const auto& cause : causes.as_object()) sum += number(cause.value());
  EXPECT_NEAR(sum, number(before.at("pauses").at("total_ms")), 0.01 * sum);
  EXPECT_GT(before.at("latency_series").as_array().size(), 20U);
  EXPECT_LT(number(after.at("allocation").at("calls_per_operation")),
            number(before.at("allocation").at("calls_per_operation")) / 100);
  EXPECT_EQ(row(result, "same output, in batches compared").at("holds"), true);

  const auto pauses = read_pprof(read_text(folder / "profiles/before-pauses.pb.gz"));
  std::string functions;
  for (const auto& function : pauses.functions) functions += function.name + "\n";
  EXPECT_THAT(functions, HasSubstr("Lane::begin_generation"));
  EXPECT_THAT(functions, HasSubstr("purge_forced"));

  const auto trace = boost::json::parse(read_text(folder / "trace-before.json"));
  std::size_t teardowns = 0;
  std::size_t purges = 0;
  for (const auto& event : trace.at("traceEvents").as_array()) {
    teardowns += event.at("name") == "teardown" ? 1 : 0;
    purges += event.at("name") == "purge" ? 1 : 0;
  }
  EXPECT_GE(teardowns, 8U) << "two lanes, four periods, and the filling before";
  EXPECT_GE(purges, 8U);
}

TEST(GcPause, WithoutDecayTheKernelKillsAndASoftLimitSaves) {
  const ScratchFolder folder;
  const std::vector<std::string> small{"--heap", "256MiB",         "--period", "500ms",  "--periods",
                                       "8",      "--memory-limit", "345MiB",   "--json", folder / "out.json"};
  const auto run_with = [&](const std::string& fixes) {
    std::vector<std::string> arguments{"run", "--fix", fixes};
    arguments.insert(arguments.end(), small.begin(), small.end());
    const Finished finished = run(GC_PAUSE, arguments);
    EXPECT_EQ(finished.status, 0) << finished.error;
    EXPECT_TRUE(cgroups_of(finished.pid).empty());
    return arm(read_result(folder / "out.json"), 0);
  };
  const object killed = run_with("decay-never");
  if (!std::string(killed.at("limit").at("by").as_string()).starts_with("cgroup")) {
    GTEST_SKIP() << "no cgroup can be made here: RLIMIT_DATA counts address space, not pages";
  }
  EXPECT_EQ(killed.at("outcome"), "oom_killed");
  EXPECT_EQ(run_with("decay-never,limit").at("outcome"), "completed");
}

TEST(GcPause, TrimmingOftenFindsNothingToPurge) {
  const ScratchFolder folder;
  const Finished finished = run(GC_PAUSE, {"run", "--fix", "trim-often", "--heap", "64MiB", "--period", "500ms",
                                           "--periods", "4", "--json", folder / "out.json"});
  ASSERT_EQ(finished.status, 0) << finished.error;
  const object trimmed = arm(read_result(folder / "out.json"), 0);
  EXPECT_GT(number(trimmed.at("gauges").at("purge calls of request threads")), 50);
  EXPECT_LT(number(trimmed.at("gauges").at("purge calls in the background")),
            number(trimmed.at("gauges").at("purge calls of request threads")) / 10);
}

TEST(GcPause, OnACollectorTheWorldStopsAndTheOutputIsTheSame) {
  const ScratchFolder folder;
  const auto run_on = [&](const char* collector) {
    const Finished finished = run(
        GC_PAUSE, {"run", "--collector", collector, "--heap", "64MiB", "--period", "500ms", "--periods", "4", "--json",
                   folder / "out.json", "--trace", folder / "trace.json", "--profile", folder / "profiles"});
    EXPECT_EQ(finished.status, 0) << finished.error;
    EXPECT_EQ(finished.error.find(": world stopped ") != std::string::npos, std::string(collector) == "boehm");
    return arm(read_result(folder / "out.json"), 0);
  };
  const object without = run_on("none");
  EXPECT_EQ(number(without.at("pauses").at("by_cause").at("collector")), 0);
  const object with = run_on("boehm");
  EXPECT_EQ(with.at("outcome"), "completed");
  EXPECT_EQ(with.at("checksum"), without.at("checksum"));
  EXPECT_GT(number(with.at("pauses").at("by_cause").at("collector")), 0.25);
  EXPECT_THAT(read_text(folder / "trace.json"), HasSubstr("\"collection\""));
  const auto pauses = read_pprof(read_text(folder / "profiles/run-pauses.pb.gz"));
  EXPECT_TRUE(std::any_of(pauses.samples.begin(), pauses.samples.end(), [](const auto& sample) {
    return !sample.labels.empty() && sample.labels[0].text == "collector";
  }));
}

class GcPauseOn : public ::testing::TestWithParam<const char*> {};

TEST_P(GcPauseOn, EveryAllocatorGivesTheSameOutputAndUnknownFiguresAreNull) {
  const ScratchFolder folder;
  const Finished finished = run(GC_PAUSE, {"--heap", "64MiB", "--period", "500ms", "--periods", "2", "--allocator",
                                           GetParam(), "--json", folder / "out.json"});
  ASSERT_LE(finished.status, 1) << finished.error;
  const object result = read_result(folder / "out.json");
  EXPECT_EQ(arm(result, 0).at("checksum"), arm(result, 1).at("checksum"));
  EXPECT_TRUE(arm(result, 0).at("gauges").at("purge calls of request threads").is_null());
  EXPECT_EQ(number(arm(result, 0).at("pauses").at("by_cause").at("purge")), 0);
}

INSTANTIATE_TEST_SUITE_P(All, GcPauseOn, ::testing::Values("tcmalloc", "mimalloc", "glibc"),
                         [](const auto& test) { return std::string(test.param); });

struct BadArguments {
  const char* name;
  std::vector<std::string> arguments;
  const char* says;
};
void PrintTo(const BadArguments& bad, std::ostream* out) {
  *out << bad.name;
}

class GcPauseRefuses : public ::testing::TestWithParam<BadArguments> {};

TEST_P(GcPauseRefuses, BadArgumentsInOneLine) {
  const Finished finished = run(GC_PAUSE, GetParam().arguments);
  EXPECT_EQ(finished.status, 2);
  EXPECT_THAT(finished.error, HasSubstr(GetParam().says));
  EXPECT_EQ(std::count(finished.error.begin(), finished.error.end(), '\n'), 1) << finished.error;
}

INSTANTIATE_TEST_SUITE_P(
    All, GcPauseRefuses,
    ::testing::Values(BadArguments{"heap_without_sense", {"--heap", "a lot"}, "--heap"},
                      BadArguments{"heap_too_small", {"--heap", "1MiB"}, "--heap"},
                      BadArguments{"heap_that_no_machine_has", {"--heap", "1TiB"}, "--heap of 1048576 MiB: there are "},
                      BadArguments{"heap_that_overflows", {"--heap", "16EiB"}, "--heap 16EiB: give a size"},
                      BadArguments{"negative_heap", {"--heap", "-64MiB"}, "--heap -64MiB: give a size"},
                      BadArguments{"heap_above_its_limit",
                                   {"--heap", "64MiB", "--memory-limit", "48MiB"},
                                   "--memory-limit of 48 MiB is less than the --heap of 64 MiB"},
                      BadArguments{"negative_periods", {"--periods", "-1"}, "--periods -1: give a whole number"},
                      BadArguments{"period_that_is_none", {"--period", "nan"}, "--period nan: give a time"},
                      BadArguments{"no_period", {"--period", "0s"}, "--period"},
                      BadArguments{"unknown_unit", {"--period", "3 lightyears"}, "--period"},
                      BadArguments{"too_few_periods", {"--periods", "1"}, "--periods"},
                      BadArguments{"unknown_fix", {"run", "--fix", "gc"}, "there is no fix 'gc'"},
                      BadArguments{"unknown_collector", {"run", "--collector", "zgc"}, "--collector"},
                      BadArguments{"collector_for_both_arms", {"--collector", "boehm"}, "use it with run"},
                      BadArguments{"collector_and_arenas",
                                   {"run", "--collector", "boehm", "--fix", "generations"},
                                   "only values and events"},
                      BadArguments{"unwritable_trace", {"--trace", "/nonexistent/trace.json"}, "cannot write"}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace plateau::testing
