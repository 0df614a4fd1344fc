// Profiles as pprof reads them: gzipped profile.proto (github.com/google/pprof/blob/main/proto/profile.proto).
#pragma once

#include <string>

#include "profiling/profile.hpp"

namespace plateau {

class Symbolizer;

// The same profile and symbols give the same bytes. Functions, files, lines and inlined frames come from `symbolizer`;
// without one, only addresses and mappings are written. When its budget is used up, checked between two addresses, a
// comment in the profile says so. Throws std::bad_alloc.
std::string encode_pprof(const Profile& profile, Symbolizer* symbolizer);

}  // namespace plateau
