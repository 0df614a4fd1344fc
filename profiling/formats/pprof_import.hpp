// Profiles that were symbolised and written earlier, as if they had just been recorded: to look at, and to subtract.
#pragma once

#include <string_view>

#include "profiling/formats/pprof_reader.hpp"
#include "profiling/profile.hpp"

namespace plateau {

class Symbolizer;

// Whether a file that begins so, decompressed, is profile.proto.
bool is_pprof(std::string_view beginning);

// Code that has names in `read` becomes named frames, which have no address; the rest keeps its addresses. Throws
// std::runtime_error when it has no sample types.
Profile profile_of(const ReadProfile& read);

// The same profile with named frames for all code that `symbolizer` knows, so that it can be compared with one that has
// them. Takes the time of symbolising it.
Profile with_names(const Profile& profile, Symbolizer& symbolizer);

}  // namespace plateau
