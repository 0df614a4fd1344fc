// The command line that all labs share.
#pragma once

#include "labs/harness/lab.hpp"

namespace plateau::harness {

// main() of a lab. Exit status: 0 the verdict holds, 1 it does not, 2 unusable arguments or environment (one line on
// standard error), 128 + signal when interrupted.
int lab_main(Lab& lab, int argc, char** argv);

}  // namespace plateau::harness
