// A result that a lab has just written, held against its contract.
#pragma once

#include <string>

#include <boost/json.hpp>

namespace plateau::testing {

// Reads what a lab's `--json` wrote. Throws std::runtime_error, which names the field, when it is not as
// labs/report/result.schema.json says.
boost::json::object read_result(const std::string& file);

}  // namespace plateau::testing
