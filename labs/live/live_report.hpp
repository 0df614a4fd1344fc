// What was seen of a service, as a result that the report shows.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include "labs/harness/arm/arm.hpp"
#include "labs/harness/arm/running_arm.hpp"
#include "labs/harness/lab.hpp"
#include "labs/live/live_feed.hpp"

namespace plateau::harness {

// Of the process that runs, or ran last: what `--json` writes for one arm, but for a field "live" with what the feed
// has seen, and an outcome that can also be "running" or "failed". `series` holds at least one sample.
boost::json::object live_result(const Lab& lab, const ArmSpec& spec, RunningArm& arm, const std::deque<Sample>& series,
                                const LiveFeed& feed, const std::vector<std::string>& command);

}  // namespace plateau::harness
