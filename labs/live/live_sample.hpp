// What the dashboard shows of a service, five times a second: read from the block that it shares and from /proc.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "allocators/process_memory.hpp"
#include "labs/harness/arm/arm.hpp"
#include "labs/harness/arm/arm_block.hpp"
#include "labs/harness/lab.hpp"

namespace plateau::harness {

inline constexpr std::chrono::milliseconds live_period{200};

struct LiveColumn {
  std::string_view id;
  std::string_view group;  // columns of one chart; those of "rss" add up to the column rss
  std::string_view title;
  std::string_view unit;
};

struct LiveSample {
  static constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

  double t = 0;                        // s
  std::vector<double> values;          // of each column; NaN where it is not known
  std::vector<std::uint32_t> latency;  // operations since the last sample, by LiveSampler::latency_edges_us()
};

std::span<const LiveColumn> live_columns();

// Of one process of the service. Not thread-safe.
class LiveSampler {
 public:
  LiveSampler(const LabDescription& lab, const ArmSpec& spec) : lab_(lab), spec_(spec) {}

  LiveSample take(double t, const ArmBlock& block, const ProcessMemory& process);

  // Upper edges of the bins of LiveSample::latency; what is above counts in the last.
  static std::vector<double> latency_edges_us();

 private:
  // A total that is turned into a rate between two looks of the service at itself.
  struct Total {
    double value = 0;
    double rate = LiveSample::unknown;
  };
  enum Rate : std::size_t {
    allocated_bytes,
    allocated_calls,
    purges,
    purge_bytes,
    purge_ns,
    faults,
    cpu,
    own_cpu,
    rates
  };

  void update_rates(const ArmBlock& block);

  const LabDescription& lab_;
  const ArmSpec& spec_;
  std::int64_t sampled_ns_ = 0;
  std::array<Total, rates> totals_{};
  // The last second of what only grows.
  struct Past {
    double t = 0;
    LatencyHistogram latency;
    std::uint64_t operations = 0;
  };
  std::deque<Past> past_;
  std::array<std::uint64_t, ArmBlock::max_lanes> next_stall_{};
};

}  // namespace plateau::harness
