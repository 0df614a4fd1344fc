// The subcommand `serve` of a lab.
#pragma once

#include <string>
#include <vector>

#include "labs/harness/arm.hpp"
#include "labs/harness/lab.hpp"

namespace plateau::harness {

struct ServeOptions {
  std::string address = "127.0.0.1:6060";
  bool allow_remote = false;
  std::vector<std::string> command = {};  // as the user gave it, for the report
};

// Runs the arm and its dashboard until Ctrl-C. Throws UsageError for what cannot be had.
int serve(const Lab& lab, const ArmSpec& spec, const ServeOptions& options);

}  // namespace plateau::harness
