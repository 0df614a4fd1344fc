// The knobs of a service, from the outside: their names, what they may be set to, and the way to the running process.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "labs/harness/arm/arm_block.hpp"
#include "labs/harness/lab.hpp"

namespace plateau::harness {

// One row of the table of knobs: all that is said of a knob is said here, and the page is sent it.
struct LiveKnob {
  enum class Kind { toggle, number, action };
  enum class Group { knobs, fixes };

  std::string id;
  std::string name;     // unique
  std::string meaning;  // empty where the name says all
  Kind kind = Kind::number;
  Group group = Group::knobs;
  KnobId shared = KnobId::load;
  // Numbers only.
  std::string_view unit = {};
  double min = 0;
  double max = 0;
  bool whole = true;
  std::vector<double> presets = {};  // what people try first, where the range says little
};

// The knobs of every service, and one for each fix of the lab.
std::vector<LiveKnob> live_knobs(const LabDescription& lab);

// As the page has it; `block` is null when the service does not run.
boost::json::object to_json(const LiveKnob& knob, const ArmBlock* block);
// A value of the knob: a number, a bool, or null where it has none.
boost::json::value as_json(const LiveKnob& knob, double value);
// What is in force, as the service itself read it.
boost::json::value read_back(const LiveKnob& knob, const ArmBlock& block);

// Throws std::invalid_argument, in one line, for a value that the knob cannot have.
double check_value(const LiveKnob& knob, const boost::json::value& value);

// Asks the running service; gives the number of the request, for is_answered().
std::uint32_t ask(SharedKnob& knob, double value);
bool is_answered(const SharedKnob& knob, std::uint32_t request);

}  // namespace plateau::harness
