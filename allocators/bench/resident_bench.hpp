// What stays resident when everything has been freed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace plateau::bench {

struct ResidentResult {
  std::string contestant;
  std::uint64_t peak_bytes = 0;   // more than before, with all blocks live
  std::uint64_t freed_bytes = 0;  // more than before, right after the last free
  std::uint64_t idle_bytes = 0;   // more than before, after an idle time
};

inline constexpr int idle_seconds = 2;

// 256 blocks a slab's worth of 256 bytes, 64 MiB in all, freed in random order; each contestant in a process of its
// own. Throws std::system_error when a process or pipe cannot be had.
std::vector<ResidentResult> measure_resident();

}  // namespace plateau::bench
