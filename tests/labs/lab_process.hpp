// Runs a lab as a user would, in a folder of its own, and reads what it says.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {

struct Finished {
  int status = -1;  // exit status, or 128 + signal
  pid_t pid = -1;   // that it had
  std::string out;
  std::string error;
};

struct RunOptions {
  std::vector<std::string> environment = {};  // NAME=value, beside the test's own
  bool as_nobody = false;                     // give up root first; without root to give up, nothing changes
  // Called with all of standard output so far, whenever more has come; returns a signal to send, or 0.
  std::function<int(const std::string& out_so_far)> watch = {};
};

// Kills the process after ten minutes.
Finished run(const std::filesystem::path& program, const std::vector<std::string>& arguments,
             const RunOptions& options = {});

boost::json::object read_json(const std::string& file);

// Cgroups that the lab with this process id has made and that are there now.
std::vector<std::filesystem::path> cgroups_of(pid_t lab);

// The row of the verdict with this metric; throws when there is none.
const boost::json::object& row(const boost::json::object& result, std::string_view metric);

}  // namespace plateau::testing
