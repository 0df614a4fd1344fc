// CPU profiles of the running program, by gperftools' libprofiler, which is loaded when it is first asked for.
//
// It interrupts whichever thread uses CPU, 100 times a second of CPU time of the process (CPUPROFILE_FREQUENCY changes
// that), by SIGPROF. The handler of SIGPROF stays installed afterwards, without effect.
#pragma once

#include <chrono>

#include "profiling/heap_profiler.hpp"
#include "profiling/profile.hpp"

namespace plateau {

// A CPU profile under way; one at a time in a process. Destroyed without finish() it stops and is thrown away. Samples
// go to memory that is neither the heap nor a file on disk. Not thread-safe; a forked child must not finish it.
class CpuRecording {
 public:
  // Whether CPU profiles can be had here, and if not why and what to change. The first call loads libprofiler.
  // Thread-safe.
  static ProfileReply available();

  // Begins. Throws std::runtime_error, in one line, when it cannot be had or another one is under way.
  CpuRecording();
  ~CpuRecording();
  CpuRecording(const CpuRecording&) = delete;
  CpuRecording& operator=(const CpuRecording&) = delete;

  // Ends, once: samples/count and cpu/nanoseconds by stack. Throws std::runtime_error when the samples were lost.
  Profile finish();

 private:
  int samples_fd_ = -1;
  bool running_ = false;
  std::chrono::system_clock::time_point started_;
};

}  // namespace plateau
