// Arguments and environment in the form that exec and posix_spawn take.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace plateau {

// This process's environment, with these variables set instead of what they were.
std::vector<std::string> environment_with(const std::vector<std::pair<std::string, std::string>>& changes);

// Points into the texts, which must outlive it; a null pointer is the last.
std::vector<char*> pointers(std::vector<std::string>& texts);

}  // namespace plateau
