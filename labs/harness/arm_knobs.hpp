// The knobs of a service, from the inside.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "allocators/heap.hpp"
#include "labs/harness/arm.hpp"
#include "labs/harness/arm_block.hpp"
#include "labs/harness/lab.hpp"
#include "labs/harness/load_schedule.hpp"
#include "labs/harness/switched_retention.hpp"

namespace plateau::harness {

// What a lab lets be turned while it serves; all empty: nothing. Called by one thread at a time, which allocates as
// little as they do when nothing has changed.
struct ServiceControls {
  // Serves with these fixes from now on, or as soon as it can. Throws std::runtime_error, in one line, when it cannot.
  std::function<void(const std::vector<std::string>& fixes)> switch_fixes = {};
  // Whether it works with the fix of that number in the lab's description; empty while only some of it does.
  std::function<std::optional<bool>(std::size_t fix)> works_with = {};
  SwitchedRetention* retention = nullptr;
};

// Used by one thread. Allocates only when a knob is turned.
class ArmKnobs {
 public:
  ArmKnobs(const ArmSpec& spec, ArmBlock& block, LoadSchedule& schedule, const LabDescription& lab)
      : spec_(spec), block_(block), schedule_(schedule), lab_(lab) {}

  void offer(ServiceControls controls);
  // Does what was asked since the last call.
  void turn();
  // Says what is in force.
  void publish();

 private:
  SharedKnob& knob(KnobId id) { return block_.knobs[static_cast<std::size_t>(id)]; }
  SharedKnob& fix_knob(std::size_t fix) { return block_.knobs[static_cast<std::size_t>(KnobId::first_fix) + fix]; }
  // Empty when it was done, else why not.
  std::string set(KnobId id, double value);
  std::string switch_fix(std::size_t fix, bool on);
  std::string set_percent(double value);
  std::string set_limit(double value);
  RetentionStatistics retention() const;

  const ArmSpec& spec_;
  ArmBlock& block_;
  LoadSchedule& schedule_;
  const LabDescription& lab_;
  ServiceControls controls_;
  std::vector<bool> chosen_;  // of the lab's fixes: what was asked for, and not refused
  bool has_profiler_ = false;
  HeapReply can_retain_;  // a percentage
};

}  // namespace plateau::harness
