// What an arm will do, from one query before it begins.
#pragma once

#include <vector>

#include "labs/harness/arm/arm.hpp"
#include "labs/harness/judge/verdict.hpp"

namespace plateau::order_statistics {

// Share of the machine that `clients` use who think and ask in turns, when a query takes one core for so long: each is
// busy query / (query + think) of the time, the interactive response time law (Denning and Buzen, "The Operational
// Analysis of Queueing Network Models", 1978) as long as nobody waits for a core.
double predicted_cpu_percent(double query_s, double think_s, double clients, double cores);

// With what was measured, once it has ended.
std::vector<harness::Prediction> predict(const harness::ArmResult& result);

}  // namespace plateau::order_statistics
