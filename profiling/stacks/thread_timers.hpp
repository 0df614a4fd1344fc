// A CPU timer for every thread of the process.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <chrono>
#include <cstddef>
#include <map>

namespace plateau {

// Each sends the hidden signal to its own thread, once in so much CPU time of that thread. They are gone after
// execve(2), and a forked child has none. For one thread.
class ThreadTimers {
 public:
  explicit ThreadTimers(std::chrono::nanoseconds period) : period_(period) {}
  ~ThreadTimers() { clear(); }
  ThreadTimers(const ThreadTimers&) = delete;
  ThreadTimers& operator=(const ThreadTimers&) = delete;

  // Gives a timer to every thread of the program that has none, and takes those of threads that have ended.
  // Throws std::runtime_error, in one line, where /proc does not show the threads.
  void update();
  // Takes all timers back.
  void clear();
  // Returns how many threads the kernel gave no timer at the last update (RLIMIT_SIGPENDING).
  std::size_t threads_without() const { return without_; }

 private:
  bool add(pid_t thread);

  const std::chrono::nanoseconds period_;
  std::map<pid_t, timer_t> timers_;
  std::size_t without_ = 0;
};

}  // namespace plateau
