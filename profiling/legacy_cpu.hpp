// CPU profiles as gperftools' libprofiler writes them: a binary file of words, described in its
// doc/cpuprofile-fileformat.
#pragma once

#include <cstddef>
#include <span>

#include "profiling/profile.hpp"

namespace plateau {

// Sample types samples/count and cpu/nanoseconds, period in nanoseconds; the leaf is where the program was interrupted.
// The mappings are those written behind the samples, without build ids. Files of this machine's word size and byte
// order only. Throws std::runtime_error, with the offset, when the file is of another kind or is cut short.
Profile read_legacy_cpu(std::span<const std::byte> file);

}  // namespace plateau
