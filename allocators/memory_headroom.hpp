// How far the kernel's memory limit is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "allocators/system/cgroup.hpp"

namespace plateau {

// The limit that holds for this process: `limit_bytes` when given, else the smaller one of RLIMIT_DATA and of a
// cgroup's. Of the cgroups it is in (of version 2, else 1), from its own upwards, that is the one with the least room
// at the start; of memory.max and memory.high the smaller one, since the kernel slows a group down at the latter.
// Reads, once made, take some microseconds and allocate nothing. Thread-safe.
class MemoryHeadroom {
 public:
  // Throws std::runtime_error when there is no limit, or none that can be measured.
  explicit MemoryHeadroom(std::optional<std::uint64_t> limit_bytes = std::nullopt, const CgroupFiles& files = {});

  std::uint64_t limit_bytes() const { return limit_; }
  // Counts what is held against the limit and could not be taken back at once: of a cgroup its usage without cached
  // pages of files (tmpfs counts, as the kernel cannot drop it); for a limit that was given, RSS; of RLIMIT_DATA, data
  // pages of the address space. When another cgroup on the way up has less room by now, so much more that limit_bytes()
  // - used_bytes() is its room.
  std::uint64_t used_bytes() const noexcept;
  // Who set the limit: "/sys/fs/cgroup/…/memory.max", "/sys/fs/cgroup/…/memory.high", "RLIMIT_DATA", "given".
  const std::string& source() const { return source_; }

 private:
  enum class Kind { given, cgroup, rlimit_data };

  Kind kind_ = Kind::given;
  std::uint64_t limit_ = 0;
  std::string source_;
  std::vector<CgroupLimit> limits_;  // on the way up, of a cgroup
};

}  // namespace plateau
