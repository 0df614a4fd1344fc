// The side of an arm that is measured: the process that runs the lab's code.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "labs/harness/arm/arm.hpp"
#include "labs/harness/arm/arm_block.hpp"
#include "labs/harness/arm/arm_knobs.hpp"
#include "labs/harness/lab.hpp"
#include "labs/harness/load/load_schedule.hpp"
#include "labs/harness/measure/stall_meter.hpp"
#include "profiling/timeline.hpp"

namespace plateau {
class BlackBox;
}

namespace plateau::harness {

// What the lab's code is given. The methods are thread-safe and allocate nothing unless they say so.
class ArmContext {
 public:
  ArmContext(ArmSpec spec, ArmBlock& block, std::vector<int> sockets, const LabDescription& lab);
  ~ArmContext();
  ArmContext(const ArmContext&) = delete;
  ArmContext& operator=(const ArmContext&) = delete;

  const ArmSpec& spec() const { return spec_; }
  std::span<const int> sockets() const { return sockets_; }

  // Of a service: the port of 127.0.0.1 on which it takes operations from outside.
  void set_api_port(std::uint16_t port) { block_.api_port.store(port, std::memory_order_relaxed); }
  // Of a service: what may be turned while it runs, which must outlive the context. Before ready().
  void offer(ServiceControls& controls) { knobs_.offer(controls); }
  // The start-up heap is complete: measurement begins, and intended start times count from here. Once, by the main
  // thread.
  void ready();
  using Clock = std::chrono::steady_clock;
  // When operation `index` is due. Of a service, that may change until then: look again now and then.
  Clock::time_point due(std::uint64_t index) const { return schedule_.due(index); }
  // From when the operation was due (intended to start) until now, into the histogram of `worker`.
  void finish_operation(std::size_t lane, std::size_t worker, Clock::time_point due);
  // Whether each operation is metered: of labs that measure pauses, and of services.
  bool meters_stalls() const { return lab_.measures_pauses || spec_.service_rate.has_value(); }
  // Where operations are metered: the meter of a worker that serves `lane`, made by its thread after ready().
  StallMeter stall_meter(std::size_t lane, StallMeter::Waits waits = StallMeter::Waits::for_the_allocator) const;
  // What --trace asked for; null when it did not.
  Timeline* timeline() const { return timeline_.get(); }
  // Digest of the output of a finished batch.
  void finish_batch(std::size_t lane, std::uint64_t digest) { block_.digests[lane].append(digest); }
  // Bytes that the lab holds in arenas and pools of its own without using them: not live data.
  void set_slack(std::size_t lane, std::size_t bytes);
  // Bytes that the lab has asked the heap for and uses.
  std::uint64_t requested_bytes() const;
  void set_gauge(std::size_t index, double value) { block_.gauges[index].store(value, std::memory_order_relaxed); }
  // Ends the process at once with the exception's reason; for worker threads. Call inside a catch block.
  [[noreturn]] void fail_with_current_exception() noexcept;

  // End of the run, while its data still lives: last figures, the last profile, and the end of the process, since the
  // heap of a service that was fed for a day is not worth tearing down. Called by the main thread.
  [[noreturn]] void finish();

 private:
  void sample_loop();
  void serve_knobs(Clock::time_point until);
  void publish();
  void dump_profile(std::string_view moment);
  void dump_peak_profile_if_grown();
  void write_block_profiles();

  ArmSpec spec_;
  ArmBlock& block_;
  std::vector<int> sockets_;
  const LabDescription& lab_;
  LoadSchedule schedule_;
  ArmKnobs knobs_;
  std::unique_ptr<Timeline> timeline_;
  double fault_ns_ = 0;
  std::chrono::nanoseconds window_{};
  Clock::time_point start_;
  std::uint64_t profiled_rss_ = 0;
  std::unique_ptr<BlackBox> black_box_;  // with profiles and a limit, once ready
  std::atomic<bool> stopping_{false};
  std::thread sampler_;
};

// Entry of the re-executed program: `argument` is what the parent passed. The lab's run_arm ends the process by
// finish().
[[noreturn]] void run_arm_process(const Lab& lab, const std::string& argument);

}  // namespace plateau::harness
