// Lists of fixes as people write them.
#pragma once

#include <string>
#include <vector>

#include "labs/harness/lab.hpp"

namespace plateau::harness {

// "none", "all", a list "a,b", or "all,-c": the names in the order of the lab. Throws UsageError for a name that is not
// a fix.
std::vector<std::string> parse_fixes(const LabDescription& lab, const std::string& text);

}  // namespace plateau::harness
