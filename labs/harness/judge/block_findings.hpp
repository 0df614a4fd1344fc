// Findings in the profiles of how an arm's blocks ended, each with the fix that it asks for: one of the lab, or what
// one would be.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "labs/harness/lab.hpp"

namespace plateau::harness {

struct BlockFinding {
  std::string_view profile;  // "crossfree" or "temporaries"
  double bytes = 0;
  double share = 0;      // of all that was freed
  std::string function;  // under which most of it was allocated; empty: no stack has a name of the program's own
};

// Gives what is more than a fifth of the bytes that an arm with profiles freed, the largest first. Throws
// std::runtime_error when a profile cannot be read.
std::vector<BlockFinding> block_findings(const std::map<std::string, std::string>& profiles);

// A line for each finding, with the fix that it asks for; empty for an arm without such profiles.
std::string format_block_findings(const LabDescription& lab, const ArmResult& arm);

}  // namespace plateau::harness
