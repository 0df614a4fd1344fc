// The report of one or more results, as one self-contained HTML page.
#pragma once

#include <string>
#include <vector>

#include <boost/json.hpp>

namespace plateau::report {

struct NamedResult {
  std::string file;  // where it was read; heap profiles are looked for beside it
  boost::json::object result;
};

// `missing` is told the heap profiles that are not there. Throws std::runtime_error, in one line.
std::string document(std::vector<NamedResult> results, std::vector<std::string>& missing);

}  // namespace plateau::report
