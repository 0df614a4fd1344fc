// How much memory this process and its children could still take.
#pragma once

#include <cstdint>

namespace plateau::harness {

// In bytes: what the machine has available (MemAvailable of /proc/meminfo, proc(5)), and no more than the room under
// the limits that hold for this process.
std::uint64_t free_memory_bytes();

}  // namespace plateau::harness
