// A profile for reading, without pprof.
#pragma once

#include <string>

#include "profiling/profile.hpp"
#include "profiling/symbolizer.hpp"

namespace plateau {

// A head with the sample types and comments, then every stack with its values and one line a frame; the largest first,
// by the profile's default type. Throws std::bad_alloc.
std::string to_text(const Profile& profile, Symbolizer& symbolizer);

}  // namespace plateau
