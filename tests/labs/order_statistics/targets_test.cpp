// Protects what the lab concludes: which figures fail it, and which it does not judge and says so.
#include "labs/order_statistics/targets.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "labs/order_statistics/gauges.hpp"

namespace plateau::order_statistics {
namespace {

using harness::ArmResult;
using ::testing::HasSubstr;

// As the case study has it, on two quiet cores.
ArmResult arm(std::vector<std::string> fixes) {
  ArmResult result;
  const bool after = !fixes.empty();
  result.spec.fixes = std::move(fixes);
  result.spec.options = {{"scan_seconds", 3.7},
                         {"note_bytes", std::uint64_t{250}},
                         {"cores", std::uint64_t{2}},
                         {"rush_rate", 200.0},
                         {"rush_s", 10.0},
                         {"max_age_s", 30.0},
                         {"think_s", 0.5}};
  result.operations = 100;
  result.digests = {{1, 2, 3}};
  for (const std::string_view name : statistics_gauges) result.gauges[std::string(name)] = 0;
  const auto set = [&](GaugeIndex index, double value) {
    result.gauges[std::string(statistics_gauges[index])] = value;
  };
  set(gauge_query_p50, after ? 0.1 : 3900);
  set(gauge_query_p99, after ? 0.5 : 4500);
  set(gauge_orders_p50, after ? 75 : 3900);
  set(gauge_cpu, after ? 1 : 78);
  set(gauge_steady_rate, after ? 4 : 0.42);
  set(gauge_hits, after ? 96 : NAN);
  set(gauge_same_in_flight, after ? 1 : 2);
  return result;
}

const std::vector<std::string> all{"index", "partial_index", "covering_index", "range",
                                   "wal",   "local_cache",   "incremental",    "stream"};

harness::VerdictRow row(const harness::Verdict& verdict, std::string_view metric) {
  const auto found = std::find_if(verdict.rows.begin(), verdict.rows.end(),
                                  [&](const harness::VerdictRow& one) { return one.metric == metric; });
  return found == verdict.rows.end() ? harness::VerdictRow{} : *found;
}

TEST(Targets, HoldForTheCaseStudysFigures) {
  const harness::Verdict verdict = judge_order_statistics(arm({}), arm(all));
  for (const harness::VerdictRow& one : verdict.rows) EXPECT_TRUE(one.holds.value_or(true)) << one.metric;
  EXPECT_TRUE(verdict.holds());
}

struct Failing {
  const char* name;
  bool after;
  GaugeIndex gauge;
  double value;
  const char* row;
};
class EachTarget : public ::testing::TestWithParam<Failing> {};

TEST_P(EachTarget, FailsTheVerdictWhenItIsMissed) {
  ArmResult before = arm({});
  ArmResult after = arm(all);
  (GetParam().after ? after : before).gauges[std::string(statistics_gauges[GetParam().gauge])] = GetParam().value;
  const harness::Verdict verdict = judge_order_statistics(before, after);
  EXPECT_EQ(row(verdict, GetParam().row).holds, false);
  EXPECT_FALSE(verdict.holds());
}

INSTANTIATE_TEST_SUITE_P(
    All, EachTarget,
    ::testing::Values(Failing{"quick_before", false, gauge_query_p50, 2000, "query, P50"},
                      Failing{"slow_orders", true, gauge_orders_p50, 101, "query of the orders, P50"},
                      Failing{"slow_roll_up", true, gauge_query_p99, 1.1, "query, P99"},
                      Failing{"busy_after", true, gauge_cpu, 21, "the same, after"},
                      Failing{"a_lock", true, gauge_lock_waits, 1, "waits for a lock"},
                      Failing{"few_hits", true, gauge_hits, 94, "answers from the cache"},
                      Failing{"a_stampede", true, gauge_same_in_flight, 2, "of them for the same question"},
                      Failing{"wrong_before", false, gauge_wrong, 1, "answers wrong, or older than stated"},
                      Failing{"wrong_after", true, gauge_wrong, 1, "answers wrong, or older than stated"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(Targets, AStoreThatIsNotTheCaseStudysIsNotJudgedByItsFigures) {
  ArmResult before = arm({});
  before.spec.options.set("scan_seconds", 0.2);
  const harness::Verdict verdict = judge_order_statistics(before, arm(all));
  EXPECT_FALSE(row(verdict, "query, P50").holds);
  EXPECT_THAT(row(verdict, "query, P50").note, HasSubstr("0.20 s of CPU"));
}

TEST(Targets, TheLoadOfBeforeIsNotJudgedWhereOthersHaveTheCores) {
  ArmResult before = arm({});
  before.gauges[std::string(statistics_gauges[gauge_cpu])] = 50;
  before.gauges[std::string(statistics_gauges[gauge_steady_rate])] = 0.3;  // 3.3 s of CPU a query
  before.gauges[std::string(statistics_gauges[gauge_query_p50])] = 3900;
  EXPECT_EQ(row(judge_order_statistics(before, arm(all)), "database CPU, of all cores").holds, false)
      << "a query computes nearly all of its time, and the clients do not ask enough";
  before.gauges[std::string(statistics_gauges[gauge_query_p50])] = 5500;
  const harness::VerdictRow busy = row(judge_order_statistics(before, arm(all)), "database CPU, of all cores");
  EXPECT_FALSE(busy.holds);
  EXPECT_THAT(busy.note, HasSubstr("other work"));
}

TEST(Targets, PlansAreNotedAndOtherAnswersFail) {
  ArmResult after = arm(all);
  after.digests = {{1, 2, 4}};
  const harness::Verdict verdict = judge_order_statistics(arm({}), after);
  EXPECT_FALSE(verdict.holds());
  EXPECT_THAT(row(verdict, "full scans in the plan").note, HasSubstr("SCAN orders"));
  EXPECT_THAT(row(verdict, "full scans in the plan").note, HasSubstr("COVERING INDEX orders_covering"));
}

}  // namespace
}  // namespace plateau::order_statistics
