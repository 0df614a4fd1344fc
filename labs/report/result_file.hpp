// Results of experiments, as `--json` of a lab wrote them.
#pragma once

#include <string>

#include <boost/json.hpp>

namespace plateau::report {

struct ResultFile {
  std::string path;
  std::string text;  // as it is: a figure that is read and written again may differ in its last digit
  boost::json::object result;
};

// Throws std::runtime_error, in one line that names the file and the field, when it cannot be read, is cut short, or is
// no result of the schema that this program knows.
ResultFile read_result(const std::string& path);

// Throws std::runtime_error, in one line that names the field, when it is not as result.schema.json says.
void check_result(const boost::json::object& result);

}  // namespace plateau::report
