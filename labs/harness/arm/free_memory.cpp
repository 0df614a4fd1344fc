#include "labs/harness/arm/free_memory.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "allocators/memory_headroom.hpp"
#include "allocators/system/kernel_file.hpp"

namespace plateau::harness {

std::uint64_t free_memory_bytes() {
  const std::uint64_t machine =
      kernel_file::number_behind("/proc/meminfo", "MemAvailable").value_or(std::numeric_limits<std::uint64_t>::max());
  try {
    const MemoryHeadroom headroom;
    const std::uint64_t used = headroom.used_bytes();
    return std::min(machine, headroom.limit_bytes() - std::min(used, headroom.limit_bytes()));
  } catch (const std::runtime_error&) {  // there is no limit
    return machine;
  }
}

}  // namespace plateau::harness
