// Results of experiments, as `--json` of a lab wrote them.
#pragma once

#include <string>

#include <boost/json.hpp>

namespace plateau::report {

// Throws std::runtime_error, in one line that names the file and the field, when it cannot be read, is cut short, or is
// no result of the schema that this program knows.
boost::json::object read_result(const std::string& path);

}  // namespace plateau::report
