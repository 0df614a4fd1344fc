// Threads of a library leave the program's signals to the program's threads.
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

}  // namespace plateau
