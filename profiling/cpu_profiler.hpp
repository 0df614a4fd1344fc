// CPU profiles of the running program: which stacks use the CPU.
//
// Every thread is interrupted 100 times a second of its own CPU time (CPUPROFILE_FREQUENCY changes that, as gperftools'
// profiler has it: 1 to 4000), by a signal and timers that the program does not see. A system call that waits may end
// with EINTR when a tick comes as it begins, as with every profiler by signals.
#pragma once

#include <chrono>

#include "profiling/cpu_ticks.hpp"
#include "profiling/heap_profiler.hpp"
#include "profiling/profile.hpp"

namespace plateau {

// A CPU profile under way; one at a time in a process. Destroyed without finish() it stops and is thrown away. Not
// thread-safe; a forked child must not finish it.
class CpuRecording {
 public:
  // Says whether CPU profiles can be had at this moment, and if not why: a program that handles SIGPROF itself, or has
  // set ITIMER_PROF, keeps them. Thread-safe.
  static ProfileReply available();

  // Begins. Throws std::runtime_error, in one line, when it cannot be had or another one is under way.
  CpuRecording();

  // Ends, once: samples/count and cpu/nanoseconds by stack. The profile's comments say what is not in it.
  Profile finish();

 private:
  std::chrono::nanoseconds period_;
  std::chrono::system_clock::time_point started_;
  CpuTicks ticks_;
};

}  // namespace plateau
