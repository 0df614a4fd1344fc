// A process whose main thread has left by pthread_exit() ends with the last of the program's threads.
#pragma once

namespace plateau {

// Looks up what pthread_exit() hands on to. Called before there are service threads: they call it too, and must not
// wait for the dynamic linker, whose lock whoever loads the agent may have.
void prepare_for_the_last_thread() noexcept;

// Called by the main thread when it is about to leave. From then on the process ends with exit status 0, as glibc has
// it, when only service threads are left, and no signal would reach anybody. Does nothing where there are none. Costs
// nothing before.
void end_with_the_programs_last_thread() noexcept;

// The same for a process whose main thread leaves, now or later, by exit(2) itself: that process ends, without
// handlers, with the main thread's status, or 0 where others have outlived it. Called in the process that has the
// service threads, no child of it. Costs a look at /proc every 20 ms from then on.
void end_when_the_main_thread_has() noexcept;

}  // namespace plateau
