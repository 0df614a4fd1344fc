// Pauses and latency over time, as a result has them.
#pragma once

#include <boost/json.hpp>

#include "labs/harness/arm/arm.hpp"

namespace plateau::harness {

// null for arms that measured none.
boost::json::value pauses_json(const ArmResult& arm);
boost::json::value latency_series_json(const ArmResult& arm);

}  // namespace plateau::harness
