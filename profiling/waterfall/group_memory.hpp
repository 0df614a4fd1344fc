// The memory of the cgroup that a process is in, beside the process's own: what fills it is in no RSS, for the most
// part (tmpfs, sockets, the kernel's records), and its limit is what kills.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "allocators/system/cgroup.hpp"

namespace plateau {

struct GroupMemory {
  std::uint64_t limit_bytes = 0;
  std::string limit_file;  // whose limit that is: memory.max, memory.high, memory.limit_in_bytes of a group
  std::uint64_t usage_bytes = 0;
  std::uint64_t held_bytes = 0;  // of those: what the kernel cannot drop
  CgroupContents contents;
};

// Of this moment, of the group with the least room on the way up (see MemoryHeadroom); nothing where no group is
// limited. Thread-safe. Throws std::bad_alloc. Costs some ten microseconds.
std::optional<GroupMemory> group_memory(const CgroupFiles& files = {});

// "318.0 MB of its limit of 400.0 MB (/sys/fs/cgroup/…/memory.max): anon 2.7, shmem 315.0, …", in MB.
std::string to_text(const GroupMemory& group);

}  // namespace plateau
