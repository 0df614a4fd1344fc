// Protects what the case's pauses are held to: the case's figures, where the machine can make such pauses.
#include "labs/gc_pause/targets.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "labs/gc_pause/calibration.hpp"
#include "labs/gc_pause/gauges.hpp"

namespace plateau::gc_pause {
namespace {

// A minute at full size, with a pause of so many milliseconds in each period.
harness::ArmResult arm_with(double pause_ms, double forecast_ms) {
  harness::ArmResult arm;
  arm.allocator_name = "jemalloc";
  arm.spec.options = {{"heap", default_heap_bytes}, {"period", default_period_s}};
  arm.wall_seconds = 60;
  for (const std::string_view name : service_gauges) arm.gauges[std::string(name)] = 0;
  arm.gauges[std::string(service_gauges[gauge_predicted_teardown])] = forecast_ms / 3;
  arm.gauges[std::string(service_gauges[gauge_predicted_purge])] = forecast_ms * 2 / 3;
  arm.latency_series.resize(1);
  for (int period = 0; period < 6; ++period) {
    harness::Stall stall;
    stall.t_s = period * default_period_s + 1;
    stall.total_us = pause_ms * 1e3;
    stall[harness::StallCause::purge] = pause_ms * 1e3;
    arm.stalls.push_back(stall);
  }
  return arm;
}

harness::VerdictRow pause_row(double pause_ms, double forecast_ms) {
  return judge_gc_pause(arm_with(pause_ms, forecast_ms), arm_with(0.3, forecast_ms)).rows.at(0);
}

TEST(GcPauseTargets, PausesAreHeldToThoseOfTheCase) {
  EXPECT_EQ(pause_row(150, 140).holds, true);
  EXPECT_EQ(pause_row(85, 100).holds, true) << "within a fifth";
  EXPECT_EQ(pause_row(70, 100).holds, false);
  EXPECT_EQ(pause_row(300, 140).holds, false);
}

TEST(GcPauseTargets, WhereTheMachineCannotMakeThemTheRowSaysSo) {
  for (const double forecast_ms : {50.0, 400.0}) {
    const harness::VerdictRow row = pause_row(forecast_ms, forecast_ms);
    EXPECT_EQ(row.holds, std::nullopt);
    EXPECT_THAT(row.note, ::testing::HasSubstr("not judged"));
  }
}

}  // namespace
}  // namespace plateau::gc_pause
