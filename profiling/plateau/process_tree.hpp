// Which processes a program has started, as /proc tells.
#pragma once

#include <sys/types.h>

#include <set>
#include <string>
#include <vector>

namespace plateau {

// Whose parent is `process`; 0 when it is gone.
pid_t parent_of(pid_t process);

// The name of the executable that a process runs, without folders; empty when it is gone or another user's.
std::string executable_of(pid_t process);

// A program and all that it has started. Children of processes that have ended stay in the tree when they were seen
// before, or have an environment variable of the tree's. Not thread-safe.
class ProcessTree {
 public:
  // `mark` is NAME=value, in the environment of `root`; no other tree has it. Empty: there is none.
  ProcessTree(pid_t root, std::string mark) : mark_(std::move(mark)) { members_.insert(root); }

  // Looks at all processes. Cost: some ten microseconds a process of the machine.
  void look();
  const std::set<pid_t>& members() const { return members_; }
  bool has(pid_t process) const { return members_.contains(process); }

 private:
  bool has_mark(pid_t process) const;

  std::string mark_;
  std::set<pid_t> members_;
  std::set<pid_t> others_;  // looked at before
};

}  // namespace plateau
