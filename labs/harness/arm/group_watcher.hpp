// Removes a cgroup when the process that made it is killed and cannot.
#pragma once

#include <sys/types.h>

#include "allocators/system/cgroup.hpp"

namespace plateau::harness {

// A process beside this one, in a session of its own, which neither Ctrl-C nor a signal to the group of processes
// reaches. It sleeps until this process has ended in whatever way, ends what is left in the cgroup, removes that, and
// ends. It holds none of this process's descriptors. Where it cannot be had (Linux before 5.3, no process to be made)
// there is none, and the next run removes the group. Not thread-safe.
class GroupWatcher {
 public:
  explicit GroupWatcher(const Cgroup& group);
  // Ends it without effect: by then the group is its maker's to remove.
  ~GroupWatcher();
  GroupWatcher(const GroupWatcher&) = delete;
  GroupWatcher& operator=(const GroupWatcher&) = delete;

 private:
  pid_t pid_ = -1;
};

}  // namespace plateau::harness
