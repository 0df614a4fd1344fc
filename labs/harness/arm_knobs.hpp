// The arm's side of its knobs.
#pragma once

#include <string>

#include "labs/harness/arm.hpp"
#include "labs/harness/control_block.hpp"
#include "labs/harness/load_schedule.hpp"

namespace plateau::harness {

// Used by one thread, the arm's sampler. Allocates only when a knob is turned.
class ArmKnobs {
 public:
  ArmKnobs(const ArmSpec& spec, ControlBlock& control, LoadSchedule& schedule)
      : spec_(spec), control_(control), schedule_(schedule) {}

  // What is in force at the start.
  void publish();
  // Does what was asked since the last call.
  void apply();

 private:
  // Empty when it took, else why not.
  std::string set(KnobId id, std::int64_t value);

  const ArmSpec& spec_;
  ControlBlock& control_;
  LoadSchedule& schedule_;
};

}  // namespace plateau::harness
