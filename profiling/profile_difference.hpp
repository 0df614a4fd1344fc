// What happened between two profiles.
#pragma once

#include <string_view>
#include <vector>

#include "profiling/profile.hpp"

namespace plateau {

// `later` minus `earlier`, stack by stack; values can be negative, and samples of zeros are left out. Sample types
// named in `unchanged` are as in `later`. The two may be of different runs of one program: addresses of `earlier` are
// moved to where the same files are mapped in `later`. Samples are matched by stack and text labels. Mappings, period
// and comments are those of `later`; duration_nanos is the time between the two when both are known. Throws
// std::invalid_argument, with a sentence for the user, when the sample types differ, or when the program of `earlier`,
// its first mapping, is not in `later`; code of other files that `later` does not have is one frame a file,
// "[plugin.so, unloaded]". Takes time with the size of both.
Profile difference(const Profile& later, const Profile& earlier, const std::vector<std::string_view>& unchanged = {});

}  // namespace plateau
