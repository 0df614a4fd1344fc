// The knobs of a service, from the inside.
#pragma once

#include <string>
#include <vector>

#include "allocators/heap.hpp"
#include "labs/harness/arm/arm.hpp"
#include "labs/harness/arm/arm_block.hpp"
#include "labs/harness/arm/service_controls.hpp"
#include "labs/harness/arm/switched_retention.hpp"
#include "labs/harness/lab.hpp"
#include "labs/harness/load/load_schedule.hpp"

namespace plateau::harness {

// Used by one thread. Allocates only when a knob is turned.
class ArmKnobs {
 public:
  ArmKnobs(const ArmSpec& spec, ArmBlock& block, LoadSchedule& schedule, const LabDescription& lab)
      : spec_(spec), block_(block), schedule_(schedule), lab_(lab) {}

  // `controls` must outlive the knobs.
  void offer(ServiceControls& controls);
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
  SwitchedRetention* switched_retention() const;  // null: the service knows none
  RetentionStatistics retention() const;

  const ArmSpec& spec_;
  ArmBlock& block_;
  LoadSchedule& schedule_;
  const LabDescription& lab_;
  ServiceControls* controls_ = nullptr;  // null: nothing of the lab's own can be turned
  std::vector<bool> chosen_;             // of the lab's fixes: what was asked for, and not refused
  bool has_profiler_ = false;
  HeapReply can_retain_;  // a percentage
};

}  // namespace plateau::harness
