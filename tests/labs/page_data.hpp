// The data in a report's page, as its script reads them.
#pragma once

#include <string>

#include <boost/json.hpp>

namespace plateau::testing {

// Undoes base64 and gzip.
std::string unpacked(const std::string& data);

// The data of a whole page: {"results": [{"file", "profiles", "result"}…], …}. Throws std::runtime_error when it has
// none.
boost::json::object data_of(const std::string& page);

}  // namespace plateau::testing
