// What a program leaves behind when it ends by exit(): its last heap profile and its footprint, for programs that are
// too short to be asked for them.
#pragma once

#include <string>

namespace plateau {

// Sets the folder, an absolute path that exists; empty: nothing is kept. Called once, at the start.
void prepare_exit_profile(std::string folder);

// Writes into that folder, for a program called NAME whose number is PID,
//
//   NAME-PID.heap             the allocator's own text, which heap2pprof converts
//   NAME-PID.reason           instead of it: one sentence on why there is none
//   NAME-PID.footprint.json   see profiling/footprint.hpp
//
// Does nothing in a forked child, of which there may be thousands. What cannot be written is left out in silence: the
// program's end is its own. Called by the last thread that the agent has, when its services have ended. Cost: a dump,
// and what take_footprint() costs.
void keep_exit_profile() noexcept;

}  // namespace plateau
