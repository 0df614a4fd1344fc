// An arm's specification, as the JSON in which it travels to the arm's process.
#pragma once

#include <boost/json.hpp>

#include "labs/harness/arm/arm.hpp"

namespace plateau::harness {

boost::json::object to_json(const LabOptions& options);
boost::json::object to_json(const ArmSpec& spec);
// Throws boost::system::system_error or std::out_of_range for what to_json() did not write.
ArmSpec arm_spec_from_json(const boost::json::object& json);

}  // namespace plateau::harness
