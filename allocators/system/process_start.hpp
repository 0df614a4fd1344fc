// When a process was started, from /proc: see proc(5).
#pragma once

#include <optional>

namespace plateau {

// Seconds since the epoch at which the calling process was started, to a hundredth. Empty where the kernel does not
// tell. Does not allocate.
std::optional<double> process_start_seconds() noexcept;

// The same from files in the form of /proc/PID/stat and /proc/stat, of a kernel that counts so many ticks a second.
std::optional<double> process_start_seconds_in(const char* process_file, const char* system_file,
                                               long ticks_per_second) noexcept;

}  // namespace plateau
