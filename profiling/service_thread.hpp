// Threads that serve a program without being part of it.
#pragma once

#include <csignal>

namespace plateau {

// While it lives, threads made by the calling thread block every signal that is sent to the process, so that the
// program's handlers run on the program's threads. Faults of a thread's own (SIGSEGV, …) are not blocked.
class SignalsForOthers {
 public:
  SignalsForOthers();
  ~SignalsForOthers();
  SignalsForOthers(const SignalsForOthers&) = delete;
  SignalsForOthers& operator=(const SignalsForOthers&) = delete;

 private:
  sigset_t before_{};
};

// Names the calling thread (at most 15 characters) and keeps its allocations out of the allocator's heap profiles where
// the allocator can do that (jemalloc). Elsewhere they show up in the profile under the functions of this library.
void become_service_thread(const char* name);

}  // namespace plateau
