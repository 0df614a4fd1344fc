// Protects the table: the rule by which it is made, on reports that are known.
#include "leakdemo/judgement.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace plateau::leakdemo {
namespace {

// 100 operations that leave 10 bytes each: reports count from 100 bytes.
Leak leak_of(LeakKind kind) {
  return {.name = "known",
          .sentence = "",
          .kind = kind,
          .place = {"Cache::put", "slab slack"},
          .operations = 100,
          .bytes_per_operation = 10,
          .make = nullptr};
}

Observation saw(std::vector<Report> reports) {
  return {.failure = {}, .reports = std::move(reports), .cost = {}};
}

Report report(std::int64_t bytes, std::vector<std::string> functions, std::string kind = "lost") {
  return {.kind = std::move(kind), .bytes = bytes, .functions = std::move(functions)};
}

Finding finding(std::vector<Report> fault, std::vector<Report> repair = {}, LeakKind kind = LeakKind::reachable) {
  return judge(leak_of(kind), saw(std::move(fault)), saw(std::move(repair))).finding;
}

TEST(Judgement, FoundIsMostOfTheBytesAtThePlace) {
  EXPECT_EQ(finding({report(900, {"malloc", "ns::Cache::put(int)", "main"})}), Finding::found);
  EXPECT_EQ(finding({report(500, {"Cache::put"}), report(400, {"main"})}), Finding::found);
}

TEST(Judgement, AFunctionWithoutItsClassIsKnownAsAWholeOrByTheFile) {
  EXPECT_EQ(finding({report(900, {"put"})}), Finding::found);
  EXPECT_EQ(finding({report(900, {"output"})}), Finding::vague);
  EXPECT_EQ(finding({report(900, {"put ../leakdemo/leaks/known.cpp:20"})}), Finding::found);
  EXPECT_EQ(finding({report(900, {"put (known.cpp)"})}), Finding::found);
  EXPECT_EQ(finding({report(900, {"put ../leakdemo/leaks/other.cpp:20"})}), Finding::vague);
  EXPECT_EQ(finding({report(900, {"output ../leakdemo/leaks/known.cpp:20"})}), Finding::vague);
}

TEST(Judgement, VagueIsMostOfTheBytesElsewhere) {
  EXPECT_EQ(finding({report(300, {"Cache::put"}), report(700, {"main"})}), Finding::vague);
  EXPECT_EQ(finding({report(1000, {})}), Finding::vague) << "no stack";
  EXPECT_EQ(finding({report(90, {"Cache::put"}), report(30, {"main"})}), Finding::vague) << "at the place too little";
}

TEST(Judgement, LessThanATenthOfTheTruthIsNothing) {
  EXPECT_EQ(finding({report(99, {"Cache::put"})}), Finding::missed);
  EXPECT_EQ(finding({report(100, {"Cache::put"})}), Finding::found);
  EXPECT_EQ(finding({}), Finding::missed);
  EXPECT_EQ(finding({report(600, {"Cache::put"}), report(-590, {"Cache::put"})}), Finding::missed) << "it went again";
}

TEST(Judgement, SayingNothingOfWhatIsNoLeakIsRight) {
  EXPECT_EQ(finding({}, {}, LeakKind::no_leak), Finding::silent);
  EXPECT_EQ(finding({report(1000, {"slab slack", "[heap]"})}, {}, LeakKind::no_leak), Finding::found);
  EXPECT_EQ(finding({report(1000, {"main"})}, {}, LeakKind::no_leak), Finding::vague);
}

TEST(Judgement, AReportOfTheRepairedProgramIsAFalseAlarmWhateverElseWasFound) {
  EXPECT_EQ(finding({report(1000, {"Cache::put"})}, {report(100, {"Cache::put"})}), Finding::false_alarm);
  EXPECT_EQ(finding({report(1000, {"Cache::put"})}, {report(99, {"Cache::put"})}), Finding::found);
}

TEST(Judgement, TellsTheKindAndTheErrorOfWhatWasFound) {
  const Judgement judgement = judge(
      leak_of(LeakKind::unreachable),
      saw({report(200, {"Cache::put"}, "possibly lost"), report(900, {"Cache::put"}, "definitely lost")}), saw({}));
  EXPECT_EQ(judgement.kind, "definitely lost");
  EXPECT_EQ(judgement.reported_bytes, 1100);
  ASSERT_TRUE(judgement.error.has_value());
  EXPECT_NEAR(*judgement.error, 0.1, 1e-9);
}

TEST(Judgement, TellsTheRowInWhichThePlaceComesFirst) {
  const auto row = [](std::vector<Report> fault) {
    return judge(leak_of(LeakKind::reachable), saw(std::move(fault)), saw({})).row;
  };
  EXPECT_EQ(row({report(200, {"main"}), report(900, {"Cache::put"}), report(100, {"Cache::put"})}), 1U);
  EXPECT_EQ(row({report(300, {"main"}), report(200, {"Cache::put"}), report(200, {"Cache::put"})}), 2U);
  EXPECT_EQ(row({report(300, {"main"})}), 0U) << "it was not found";
}

TEST(Judgement, OfARunThatCameToNoEndThereIsOnlyTheReason) {
  const Observation failed{.failure = "leak: no jemalloc", .reports = {}, .cost = {}};
  const Judgement judgement = judge(leak_of(LeakKind::reachable), saw({report(1000, {"Cache::put"})}), failed);
  EXPECT_EQ(judgement.finding, Finding::not_run);
  EXPECT_EQ(judgement.kind, "leak: no jemalloc");
}

}  // namespace
}  // namespace plateau::leakdemo
