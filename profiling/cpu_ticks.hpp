// Interrupts every thread of the process by the CPU time it uses, and counts the stacks that it is interrupted in.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace plateau {

// At most one at a time in a process. Each thread has a timer of its own on its own CPU clock (timer_create(2) with
// SIGEV_THREAD_ID), which sends the signal that the program does not see (profiling/host/hidden_signal.hpp), so that
// the program's ITIMER_PROF, its SIGPROF, its masks and what it waits for by sigwait(3) are not touched. A child made
// by fork has no such timers, and execve(2) ends them together with the signals that they have sent. A thread of its
// own, in the descriptor table of whoever makes it, looks for new threads every 20 ms: one that lives shorter may be
// missed.
//
// The handler neither locks nor allocates.
class CpuTicks {
 public:
  struct Report {
    std::uint64_t ticks_not_kept = 0;  // the table of stacks was full, or there was no memory for it
    std::size_t threads_not_timed = 0;
    std::string cut_short;  // why it ended before it was told to; empty: it did not
  };

  // Why this program is not to be interrupted: it takes its own profiles by SIGPROF; empty: it may be.
  static std::optional<std::string> why_not();

  // Throws std::runtime_error, in one line, when it cannot be had or another one is under way; std::system_error
  // without a thread or a timer.
  explicit CpuTicks(std::chrono::nanoseconds period);
  ~CpuTicks();
  CpuTicks(const CpuTicks&) = delete;
  CpuTicks& operator=(const CpuTicks&) = delete;

  // Ends the ticks. Once.
  Report stop();
  // After stop(): every stack with its number of ticks, innermost first; an empty stack for those not kept.
  void for_each_stack(const std::function<void(std::span<const std::uintptr_t>, std::uint64_t)>& visit) const;

 private:
  class Timers;
  std::unique_ptr<Timers> timers_;
};

}  // namespace plateau
