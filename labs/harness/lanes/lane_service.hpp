// A lab's description of its service, for the engine of lanes.hpp to run: a lab derives from LaneService.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "labs/harness/arm/service_controls.hpp"
#include "labs/harness/arm/switched_retention.hpp"
#include "labs/harness/fix_table.hpp"
#include "labs/harness/lanes/switched_fixes.hpp"
#include "labs/harness/measure/stall_meter.hpp"

namespace plateau::harness {

struct LaneShape {
  std::size_t lanes = 1;             // operation i is lane i % lanes's
  std::size_t workers_per_lane = 1;  // threads that take turns in a lane
  // The first turns of each lane build the heap: the arm is ready when all have ended, and the operations of the arm
  // come after theirs. They are not due at any time, and not measured.
  std::uint64_t preparing_turns = 0;
  StallMeter::Waits waits = StallMeter::Waits::for_the_allocator;
};

// A turn that has ended.
struct LaneTurn {
  std::uint64_t number = 0;
  bool measured = false;  // not a preparing one
  bool whole = false;     // not cut short by the end of the run
};

// An operation that has been handled and measured, as its lane counts.
struct LaneOperation {
  std::uint64_t position = 0;       // among all operations of the lane
  std::uint64_t first_of_turn = 0;  // position of the first one of this turn
};

// One thread that serves a lane.
class LaneWorker {
 public:
  using Clock = std::chrono::steady_clock;

  LaneWorker(std::size_t lane, std::size_t number) : lane_(lane), number_(number) {}

  std::size_t lane() const { return lane_; }
  std::size_t number() const { return number_; }  // among the workers of all lanes

  // By the worker's own thread: what it measures from now on is joined to what its thread did meanwhile.
  void use(StallMeter meter) { meter_.emplace(std::move(meter)); }
  bool has_meter() const { return meter_.has_value(); }

  // Runs the operation, and counts it as a stall when it took too long.
  template <class Operation>
  void measure(Operation operation) {
    if (meter_) meter_->begin();
    operation();
    if (meter_) meter_->end();
  }

 private:
  std::size_t lane_;
  std::size_t number_;
  std::optional<StallMeter> meter_;
};

// The service as the engine sees it. Functions of a lane are called by one thread at a time, whose turn it is in that
// lane; the others by the main thread.
class LaneWork : public ServiceControls {
 public:
  // Makes the stacks of threads that start from now on small: they are reserved address space, which RLIMIT_DATA
  // counts, and workers need little.
  explicit LaneWork(const LaneShape& shape);

  const LaneShape& shape() const { return shape_; }

  // How many operations of the lane are done when its turn `turn` ends; grows with `turn`.
  virtual std::uint64_t turn_end(std::size_t lane, std::uint64_t turn) const = 0;
  // Does operation `index` of all lanes.
  virtual void handle(std::size_t lane, std::uint64_t index) = 0;
  // After each operation that was measured, when its latency has been recorded.
  virtual void handled(LaneWorker& worker, const LaneOperation& operation) = 0;
  virtual void end_turn(std::size_t lane, const LaneTurn& turn) = 0;
  // Waits for the lane's next operation, at most until then; may return earlier, and then is called again. A service
  // that is given operations from outside handles them here.
  virtual void wait_until(LaneWorker& worker, LaneWorker::Clock::time_point until);
  // Takes over what was switched since the last call. Between two operations.
  virtual void take_switched_fixes(std::size_t lane) = 0;
  // Runs a worker, on its thread: around all that it does until the process ends.
  virtual void run_worker(const std::function<void()>& work) { work(); }

  // The retention policy that the fixes ask for at the start begins.
  virtual void begin_retention() = 0;
  // The heap is as it is when the service begins, and the retention policy has begun.
  virtual void prepared() {}
  // The arm is ready, and measurement begins.
  virtual void begun() {}
  // The last operation has ended.
  virtual void ended() {}

 private:
  LaneShape shape_;
};

// A service that works with the fixes of a table, each of which can be switched while it runs.
template <class Fixes>
class LaneService : public LaneWork {
 public:
  LaneService(const LaneShape& shape, const FixTable<Fixes>& table, const Fixes& fixes)
      : LaneWork(shape), table_(table), fixes_(fixes, shape.lanes) {}

  // Works with these from the next operation of the lane on.
  virtual void switch_lane(std::size_t lane, const Fixes& fixes) = 0;
  // The retention policy that these fixes ask for; empty: none. Not asked of a service without retention().
  virtual std::optional<RetentionOptions> retention_options(const Fixes& /*fixes*/) const { return std::nullopt; }
  // The rest of what is switched at once for the whole process. Throws std::runtime_error, in one line, when it cannot.
  virtual void switch_process(const Fixes& /*before*/, const Fixes& /*now*/) {}

  // Whether all lanes work with the fix; empty while only some do. Thread-safe.
  std::optional<bool> in_lanes(bool Fixes::*flag) const { return fixes_.in_lanes(flag); }

  void take_switched_fixes(std::size_t lane) final {
    if (const auto switched = fixes_.take(lane)) switch_lane(lane, *switched);
  }
  void begin_retention() final { follow(fixes_.wanted()); }
  void switch_fixes(const std::vector<std::string>& names) final {
    const Fixes now = table_.chosen(names);
    follow(now);
    switch_process(fixes_.wanted(), now);
    fixes_.set(now);
  }
  std::optional<bool> works_with(std::string_view fix) const final {
    const FixRow<Fixes>* const row = table_.find(fix);
    if (row == nullptr) return std::nullopt;
    return row->scope == FixScope::process ? std::optional(fixes_.wanted().*(row->flag)) : in_lanes(row->flag);
  }

 private:
  void follow(const Fixes& fixes) {
    if (SwitchedRetention* const policy = retention()) policy->follow(retention_options(fixes));
  }

  const FixTable<Fixes> table_;
  SwitchedFixes<Fixes> fixes_;
};

}  // namespace plateau::harness
