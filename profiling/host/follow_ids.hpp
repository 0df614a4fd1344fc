// Service threads have the user and the groups that the program has.
#pragma once

namespace plateau {

// Gives every ServiceThread of this process the ids of the calling thread, which has just changed its own, and returns
// when all have them, or after a second. A thread that has become an ordinary user gives up its capabilities, whatever
// the program keeps of its own. Does nothing in a child made by fork or vfork. Keeps errno. Thread-safe. Cost: some ten
// microseconds for each thread.
void let_service_threads_follow() noexcept;

}  // namespace plateau
