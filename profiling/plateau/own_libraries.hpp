// Where the libraries are that `plateau` preloads into others.
#pragma once

#include <string>

namespace plateau {

// The absolute path of libplateau_agent.so or another: beside this program, as in a build, or in the folder of
// libraries, as where it is installed. Throws std::runtime_error, in one line, when it is in neither.
std::string own_library(const std::string& name);

}  // namespace plateau
