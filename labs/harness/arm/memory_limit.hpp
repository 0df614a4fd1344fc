// A real memory limit for a child process: a cgroup of its own (v2, else v1), else RLIMIT_DATA. The result says which.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "allocators/system/cgroup.hpp"
#include "allocators/system/descriptor.hpp"
#include "labs/harness/arm/group_watcher.hpp"

namespace plateau::harness {

enum class LimitKind { none, cgroup_v2, cgroup_v1, rlimit_data };

std::string to_string(LimitKind kind);

// Owns the cgroup: it is removed by the destructor, after its processes are gone, and by a watcher when this process is
// killed before. Groups that stay behind nevertheless (the watcher was killed, too) are removed by the next run that
// makes one in the same place. Not thread-safe.
class MemoryLimit {
 public:
  // `bytes` empty: no limit, but a cgroup is still made where possible, for its evidence. `name` goes into the cgroup's
  // name together with this process's id.
  MemoryLimit(std::optional<std::uint64_t> bytes, const std::string& name, const CgroupFiles& files = {});
  ~MemoryLimit();
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;

  LimitKind kind() const { return kind_; }

  // Puts the calling process under the limit. Called in the child between fork and exec: async-signal-safe, allocates
  // nothing; false on failure.
  bool enter() const noexcept;

  // Whether the kernel killed for this limit, by its own counters: a process of the group was killed (oom_kill of
  // memory.events or memory.oom_control), and the group had met its limit (oom of memory.events, or
  // memory.max_usage_in_bytes), without which the kill was the machine's. False without a limit or a cgroup.
  bool killed() const;
  // The lines of the kernel that say so, for the report; empty without a cgroup.
  std::string evidence() const;

 private:
  bool make_v2(const CgroupFiles& files, const std::string& name);
  bool make_v1(const CgroupFiles& files, const std::string& name);
  bool adopt(Cgroup group);

  std::optional<std::uint64_t> bytes_;
  LimitKind kind_ = LimitKind::none;
  std::optional<Cgroup> group_;
  Descriptor processes_;  // cgroup.procs of the group
  std::optional<GroupWatcher> watcher_;
};

}  // namespace plateau::harness
