// The command line that all labs share, and the experiments behind it.
#pragma once

#include "labs/harness/lab.hpp"

namespace plateau::harness {

// main() of a lab. Exit status: 0 the verdict holds, 1 it does not, 2 unusable arguments or environment (one line on
// standard error), 128 + signal when interrupted.
int lab_main(Lab& lab, int argc, char** argv);

// "none", "all", a list "a,b", or "all,-c": the names in the order of the lab. Throws UsageError for a name that is not
// a fix.
std::vector<std::string> parse_fixes(const LabDescription& lab, const std::string& text);

}  // namespace plateau::harness
