// System calls that a program makes past the functions of the C library, and that concern the agent's threads.
#pragma once

namespace plateau {

// Looks up syscall() and prctl(). From then on
//
//   unshare, setns    are calls of one thread, see agent_one_thread.hpp
//   exit              of the main thread: the process ends with that status when the program has no other thread
//   seccomp, prctl    a filter of system calls, or strict mode, is about to be set. The sampler stops, since it may
//   need
//                     memory of the kernel's; the process's end waits for nobody, since that may need calls that are
//                     forbidden; and where the filter is for all threads, the agent's end themselves for good
//
// syscall() is stood in front of on x86-64 only: all other calls go on by four comparisons and a jump.
void watch_system_calls() noexcept;

// Whether the program has set a filter of its own. In a forked child of one that has, too.
bool has_own_filter() noexcept;

}  // namespace plateau
