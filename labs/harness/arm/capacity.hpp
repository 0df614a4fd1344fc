// How fast a machine can take compressed time: what an operation costs on it, and how much CPU it has to give now.
#pragma once

#include <cstddef>

namespace plateau::harness {

class Lab;
struct ArmSpec;

// Above it operations wait for each other by chance, and a latency is that of a queue.
inline constexpr double most_cpu_share = 0.6;

struct Capacity {
  double cpu_us_an_operation = 0;
  double cpus = 0;  // that as many threads as the arm has lanes got, when each wanted a whole one

  // Of the CPUs, by operations at this rate.
  double share(double operations_per_second) const { return operations_per_second * cpu_us_an_operation / 1e6 / cpus; }
  // Operations a second that use `most_cpu_share`.
  double most_operations_per_second() const { return most_cpu_share * cpus * 1e6 / cpu_us_an_operation; }
};

// Both are measured: CPUs by threads that count for a fifth of a second, the cost by a second of the arm itself in a
// process of its own, without limit and at the arm's speed-up. Throws as run_arm.
Capacity measure_capacity(const Lab& lab, const ArmSpec& spec, std::size_t lanes);

}  // namespace plateau::harness
