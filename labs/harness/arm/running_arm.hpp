// An arm while it runs, seen from outside: its process under its limit, the block that it shares, and the other end of
// its sockets.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "labs/harness/arm/arm.hpp"
#include "labs/harness/arm/arm_block.hpp"
#include "labs/harness/arm/memory_limit.hpp"
#include "labs/harness/lab.hpp"

namespace plateau::harness {

// Not thread-safe.
class RunningArm {
 public:
  // Starts the process. Throws UsageError for what cannot be had, and std::system_error. `lab` and `spec` must outlive
  // it.
  RunningArm(const Lab& lab, const ArmSpec& spec);
  // Kills the process if it still runs, ends the other end of its sockets, and removes its cgroup.
  ~RunningArm();
  RunningArm(const RunningArm&) = delete;
  RunningArm& operator=(const RunningArm&) = delete;

  pid_t pid() const;
  ArmBlock& block() { return *block_; }
  const ArmBlock& block() const { return *block_; }
  LimitKind limit_kind() const;
  const std::vector<std::string>& allocator_environment() const;  // NAME=value, as given

  // Whether the process has ended by itself.
  bool ended();
  // Of a process that has ended: what it used.
  const rusage& usage() const;
  // Of a process that has ended: the outcome with the kernel's evidence, and why if it failed.
  void judge_end(ArmResult& result) const;

 private:
  class State;
  std::unique_ptr<State> state_;
  ArmBlock* block_;
};

}  // namespace plateau::harness
