// The profiles that this process can give, on the allocator it runs on.
#pragma once

#include <vector>

#include "profiling/profile_source.hpp"

namespace plateau {

// allocs, delta_heap, growth, heap, pauses, profile, rss. All are listed whether or not they can be had here: asking
// for one that cannot says why, and what to change.
std::vector<ProfileSource> process_profiles();

}  // namespace plateau
