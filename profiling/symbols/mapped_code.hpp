// The kernel's list of what code is mapped in this process.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "profiling/profile.hpp"

namespace plateau {

// A line of /proc/PID/maps: nothing when it is not one of executable memory. Without build id; the name is empty where
// the memory is of no file, and `file_is_it` is false where the file is gone or replaced ("(deleted)").
std::optional<Mapping> executable_line(std::string_view line);

// Every such line of this process, by address; empty where there is no /proc. Takes a system call for a page of text.
std::vector<Mapping> mapped_code();

}  // namespace plateau
