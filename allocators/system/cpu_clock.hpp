// The kernel's clocks of CPU time, and the clock beside which they are read. Each reading costs some tens of
// nanoseconds to a few hundred (those of CPU time are calls of the kernel); it neither allocates nor locks nor throws,
// and may be taken inside an allocator.
#pragma once

#include <sys/resource.h>
#include <time.h>

#include <chrono>

namespace plateau {

namespace internal {
inline std::chrono::nanoseconds time_of(clockid_t clock) noexcept {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}
}  // namespace internal

// User and system time of the calling thread since it began.
inline std::chrono::nanoseconds thread_cpu_time() noexcept {
  return internal::time_of(CLOCK_THREAD_CPUTIME_ID);
}

// The same of all threads of the process, past ones included.
inline std::chrono::nanoseconds process_cpu_time() noexcept {
  return internal::time_of(CLOCK_PROCESS_CPUTIME_ID);
}

// Since some moment in the past, the same for every process: what std::chrono::steady_clock counts.
inline std::chrono::nanoseconds monotonic_time() noexcept {
  return internal::time_of(CLOCK_MONOTONIC);
}

// User and system time in what getrusage(2) or wait4(2) gave.
inline std::chrono::microseconds cpu_time_of(const rusage& usage) noexcept {
  const auto time = [](const timeval& t) {
    return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
  };
  return time(usage.ru_utime) + time(usage.ru_stime);
}

inline double in_seconds(std::chrono::nanoseconds time) noexcept {
  return std::chrono::duration<double>(time).count();
}

}  // namespace plateau
