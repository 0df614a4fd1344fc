// Reads what a lab has left that a test runs as a user would: its result, its cgroups.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include "tests/support/child_program.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {

boost::json::object read_json(const std::string& file);

// Cgroups that the lab with this process id has made and that are there now.
std::vector<std::filesystem::path> cgroups_of(pid_t lab);

// The row of the verdict with this metric; throws when there is none.
const boost::json::object& row(const boost::json::object& result, std::string_view metric);

}  // namespace plateau::testing
