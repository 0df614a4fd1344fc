// The heap profiles of an arm, as files: NAME-MOMENT.heap as the arm leaves them, NAME-MOMENT.pb.gz as pprof reads
// them. Profiles of how blocks ended and of pauses are of no moment, and have a file of their name.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "labs/harness/arm/arm.hpp"

namespace plateau::harness {

// Those on the way to the memory limit: "near-limit-1", "near-limit-2", …, of which the last few are kept.
inline constexpr const char* near_limit_moment = "near-limit";

// A profile of addresses without names, as the arm leaves it.
inline constexpr const char* addresses_extension = "addresses.pb.gz";

std::string profile_file(const ArmSpec& spec, std::string_view moment, std::string_view extension);

struct CollectedProfiles {
  std::map<std::string, std::string> files;  // by moment, or name
  std::vector<std::string> problems;         // a line for each dump that could not be converted; it is kept
};

// Symbolises what the arm has left, which is cheaper outside of it. A dump is removed once its profile is whole on
// disk, unless the dumps are to be kept.
CollectedProfiles collect_profiles(const ArmSpec& spec);

// Those of an earlier run.
void remove_profiles(const ArmSpec& spec);

}  // namespace plateau::harness
