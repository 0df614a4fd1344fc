// How stalls become the figures of a verdict, and who is blamed for them.
#include "labs/harness/measure/pauses.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "allocators/system/cpu_clock.hpp"
#include "labs/harness/measure/stall_meter.hpp"
#include "profiling/pause_profile.hpp"

namespace plateau::harness {
namespace {

Stall stall_at(double t_s, double unexplained_us, double machine_us = 0) {
  Stall stall{.t_s = t_s, .total_us = unexplained_us + machine_us, .cpu = 1};
  stall[StallCause::unexplained] = unexplained_us;
  stall[StallCause::machine] = machine_us;
  return stall;
}

TEST(PauseCauses, AreCalledInTheProfileAsInTheStalls) {
  for (const std::string_view cause : pause_causes) {
    EXPECT_NE(std::find(stall_causes.begin(), stall_causes.end(), cause), stall_causes.end()) << cause;
  }
}

TEST(GiveToTheMachine, TakesTheOverlapOnTheSameCpuOnly) {
  constexpr std::int64_t ready = 1'000'000'000;
  std::vector<Stall> stalls{stall_at(1, 1000), stall_at(2, 1000)};
  const std::int64_t begin = ready + 1'000'000'000;
  give_to_the_machine(stalls, {{1, begin - 200'000, begin + 300'000}, {0, begin, begin + 1'000'000}}, ready);
  EXPECT_NEAR(stalls[0][StallCause::machine], 300, 1);
  EXPECT_NEAR(stalls[0][StallCause::unexplained], 700, 1);
  EXPECT_NEAR(stalls[0].of_the_program_us(), 700, 1);
  EXPECT_NEAR(stalls[1][StallCause::machine], 0, 1);
}

TEST(GiveToTheMachine, TakesNothingThatIsExplained) {
  std::vector<Stall> stalls{stall_at(0, 100)};
  stalls[0][StallCause::purge] = 5000;
  stalls[0].total_us = 5100;
  give_to_the_machine(stalls, {{1, -1'000'000'000, 1'000'000'000}}, 0);
  EXPECT_EQ(stalls[0][StallCause::purge], 5000);
  EXPECT_NEAR(stalls[0][StallCause::machine], 100, 1);
}

TEST(Pauses, TheLongestOfEachPeriodLeavesTheMachineOutAndCountsQuietPeriods) {
  ArmResult arm;
  arm.wall_seconds = 40;
  arm.latency_series.push_back({});
  arm.stalls = {stall_at(1, 500), stall_at(2, 3000, 9000), stall_at(35, 700), stall_at(41, 9999)};
  const std::vector<double> expected{3, 0, 0, 0.7};
  const auto longest = longest_by_period_ms(arm, 10);
  ASSERT_EQ(longest.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_DOUBLE_EQ(longest[i], expected[i]);
}

TEST(Pauses, TheSummaryCountsWhatTheProgramDid) {
  ArmResult arm;
  arm.stalls = {stall_at(10, 1000), stall_at(20, 100, 800), stall_at(30, 3000)};
  const PauseSummary summary = summarise_pauses(arm);
  EXPECT_EQ(summary.count, 2U) << "the second is the machine's";
  EXPECT_DOUBLE_EQ(*summary.mean_period_s, 20);
  EXPECT_DOUBLE_EQ(*summary.p50_ms, 2);
  EXPECT_NEAR(summary.total_ms, 4.9, 1e-9);
  EXPECT_NEAR(summary.ms_by_cause[static_cast<std::size_t>(StallCause::machine)], 0.8, 1e-9);
}

void work_for(std::chrono::milliseconds cpu) {
  const auto until = thread_cpu_time() + cpu;
  while (thread_cpu_time() < until) {
  }
}

TEST(StallMeter, TellsWorkFromTeardownAndFromTimeOffTheCpu) {
  const auto series = std::make_unique<StallSeries>();
  StallMeter meter(*series, StallMeter::Clock::now(), 1000, nullptr);
  meter.begin();
  meter.end();  // too short to be kept
  meter.begin();
  work_for(std::chrono::milliseconds(2));
  {
    const TeardownTimer timer(nullptr);
    work_for(std::chrono::milliseconds(6));
  }
  meter.end();
  meter.begin();
  std::this_thread::sleep_for(std::chrono::milliseconds(4));  // off the CPU, and nobody purged
  meter.end();
  ASSERT_GE(series->count.load(), 2U);
  const Stall& worked = series->stalls[series->count.load() - 2];
  EXPECT_GE(worked[StallCause::teardown], 5900);
  EXPECT_GE(worked[StallCause::unexplained], 1500);
  const Stall& slept = series->stalls[series->count.load() - 1];
  EXPECT_GE(slept[StallCause::machine], 3500);
  for (const Stall* const stall : {&worked, &slept}) {
    double sum = 0;
    for (const double part : stall->us) sum += part;
    EXPECT_NEAR(sum, stall->total_us, 0.5);
  }
}

TEST(StallMeter, AStopOfTheWorldIsTheCollectors) {
  const auto series = std::make_unique<StallSeries>();
  StallMeter meter(*series, StallMeter::Clock::now(), 1000, nullptr);
  meter.begin();
  std::thread([] {
    const CollectorTimer other(nullptr);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }).join();
  meter.end();
  meter.begin();
  {
    const CollectorTimer own(nullptr);
    work_for(std::chrono::milliseconds(5));
  }
  meter.end();
  ASSERT_GE(series->count.load(), 2U);
  EXPECT_GE(series->stalls[0][StallCause::collector], 4000) << "waited for";
  EXPECT_GE(series->stalls[1][StallCause::collector], 4000) << "computed, in the thread that collects";
}

}  // namespace
}  // namespace plateau::harness
