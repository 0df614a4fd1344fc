// The subcommand `serve` of a lab.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "labs/harness/arm/arm.hpp"
#include "labs/harness/lab.hpp"

namespace plateau::harness {

inline constexpr std::string_view default_dashboard_address = "127.0.0.1:6060";

struct ServeOptions {
  std::string address{default_dashboard_address};
  bool allow_remote = false;
  std::vector<std::string> command = {};  // as the user gave it, for the report
};

// Runs the arm and its dashboard until Ctrl-C. Throws UsageError for what cannot be had.
int serve(const Lab& lab, const ArmSpec& spec, const ServeOptions& options);

}  // namespace plateau::harness
