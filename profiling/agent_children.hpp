// Forked children that go on, and are served on request.
#pragma once

#include "profiling/agent_services.hpp"

namespace plateau {

// The process's services; null before there are any. Kept for as long as the process lives.
AgentServices* agent_services() noexcept;

// Looks up what fork() and its kin go on with, in every program that the agent is loaded into: a signal handler may
// fork, or another thread have the dynamic linker's lock.
void prepare_for_children() noexcept;

// Makes them, and has fork(), daemon() and forkpty() make new ones in children where the wishes say so.
//
// A handler of pthread_atfork() would be too early: allocators that registered theirs later still have their locks. So
// the functions themselves are followed, whose return into the child is a moment like any other of a program of one
// thread. What the C library forks by itself (system, popen, posix_spawn) becomes another program, and vfork() and
// clone() are not followed.
AgentServices& make_agent_services(AgentWishes wishes);

}  // namespace plateau
