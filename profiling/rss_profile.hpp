// RSS as a profile: the heap profile, and beside it a stack for every part of RSS that no heap profile shows, so that
// the total is what the kernel counts.
#pragma once

#include <optional>
#include <string>

#include "profiling/footprint.hpp"
#include "profiling/profile.hpp"

namespace plateau {

// Sample type rss/bytes; all values are positive and add up to footprint.rss_bytes exactly. `heap` is a heap profile
// of the same moment, or nothing, and then live blocks are one synthetic stack. Mappings of the program's own and
// stacks of threads have the stacks that made them, where footprint.mappings has them, below a frame that says which it
// is; shared memory and files likewise.
//
// Two figures have to be made to agree, and the profile's comments say by how much:
// - the profile of live blocks is an estimate: stacks that add up to more than the allocator has in live blocks are
//   scaled down to that; what is missing gets a stack of its own;
// - allocators count pages that were never touched: when the parts are more than RSS, those that the allocator told are
//   made smaller, free memory first and live blocks last.
Profile rss_profile(const std::optional<Profile>& heap, const Footprint& footprint);

// Of the running process, on any allocator. Throws std::runtime_error when /proc cannot be read. Thread-safe.
Profile take_rss_profile();

}  // namespace plateau
