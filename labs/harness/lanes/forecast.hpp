// Forecasts that need memory, made where it does not count.
#pragma once

#include <functional>

namespace plateau::harness {

// Runs `forecast` in a forked child and waits for its end, so that what it allocates is never in the heap that is
// measured. The child shares the arm's block: it tells what it found by ArmContext::set_gauge. Required: no other
// thread runs yet. When `forecast` throws or its process is killed there is no forecast: a line on standard error says
// so, and the gauges are as they were left. Throws std::system_error when there can be no child.
void forecast_in_child(const std::function<void()>& forecast);

}  // namespace plateau::harness
