// The agent's threads have the program's user and groups.
#pragma once

namespace plateau {

// Where programs call the agent's setuid() and its kin, because it was preloaded: has service threads that are made
// from then on follow them, and glibc leave those threads out. One that is loaded late leaves it to glibc, which ends a
// program that keeps capabilities over a change of its user.
void follow_the_programs_ids();

}  // namespace plateau
