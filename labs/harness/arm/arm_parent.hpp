// The side of an arm that measures: starts the process under its limit, samples it from outside, and says how it ended.
#pragma once

#include <functional>
#include <stdexcept>

#include "labs/harness/arm/arm.hpp"
#include "labs/harness/lab.hpp"

namespace plateau::harness {

// Ctrl-C or SIGTERM came; the child has been ended and its cgroup removed.
class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("interrupted") {}
};

struct ArmObserver {
  std::function<void(const ArmResult& so_far)> ready = [](const ArmResult&) {};
  std::function<void(const ArmResult& so_far, const Sample& now, std::optional<double> operations_per_wall_second)>
      sampled = [](const ArmResult&, const Sample&, std::optional<double>) {};
};

// Runs one arm to its end. The parent survives the arm's death. Throws UsageError when the arm could not even start up
// (a limit smaller than the start-up heap, an allocator that did not take, no profiler), Interrupted, and
// std::runtime_error.
ArmResult run_arm(const Lab& lab, const ArmSpec& spec, const ArmObserver& observer);

}  // namespace plateau::harness
