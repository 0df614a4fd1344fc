// The agent's threads have the program's user and groups.
#pragma once

namespace plateau {

// Has service threads that are made from then on follow the program's setuid() and its kin, which are the agent's where
// it was preloaded, and glibc leave those threads out. An agent that is loaded late leaves it to glibc, which ends a
// program that keeps capabilities over a change of its user.
void follow_the_programs_ids();

}  // namespace plateau
