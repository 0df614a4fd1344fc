// The report of one or more results, as one self-contained HTML page.
#pragma once

#include <string>
#include <vector>

#include "labs/report/result_file.hpp"

namespace plateau::report {

// `missing` is told the heap profiles that are not there. Throws std::runtime_error, in one line.
std::string document(const std::vector<ResultFile>& results, std::vector<std::string>& missing);

}  // namespace plateau::report
