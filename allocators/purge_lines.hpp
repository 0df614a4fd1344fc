// PLATEAU_TRACE=purge=1: a line for every purge burst on standard error, the stand-in for GODEBUG=gctrace=1.
//
//   purge 7 @3.021s 2.4%: 213+0 ms wall, 201+0 ms cpu, 50012 calls, 205 MB, dirty 0.1->0 MB, resident 812->607 MB,
//   goal decay 0 ms, thread 4711                                                                       (on one line)
//
//   7            number of the burst (PurgeBurst)
//   @3.021s      when it began, since the trace was started
//   2.4%         CPU time in purges so far, of the process's since then
//   213+0 ms     in the calls, of a thread of the program + of one in the background; one of the two is 0
//   calls        of madvise, or of what else gave pages back
//   dirty, resident   before -> after: jemalloc's statistics, taken every 100 ms, the last before the burst began and
//                the first after its end was noticed; "?" is what is not known
//   goal         PurgeTrace::set_goal where somebody has set one, as RetentionPolicy does, else the decay of the arena
//   thread       as the kernel numbers it
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "allocators/purge_bursts.hpp"

namespace plateau {

// Reads the environment variable PLATEAU_TRACE, KEY=VALUE separated by commas, and starts what it asks for; a setuid
// program's is not read. True when lines are printed from now on. What is asked for and cannot be had, and a key that
// is not known, is one line on standard error. The printing thread allocates nothing. At exit the rest is printed, and
// a line that says how many purges were not seen. Once a process; not in a forked child.
bool start_purge_trace_from_environment();

// What is in a line.
struct PurgeLine {
  std::uint64_t number = 0;
  double seconds_since_start = 0;
  double cpu_share = 0;  // 0 to 1
  PurgeBurst burst;
  struct Pages {
    std::optional<std::uint64_t> dirty_bytes;
    std::optional<std::uint64_t> resident_bytes;
  };
  Pages before;
  Pages after;
  std::optional<std::uint64_t> goal_bytes;
  std::optional<std::int64_t> decay_ms;
};

// The line with its newline, in `buffer`, cut off at its end. Allocates nothing.
std::string_view format_purge_line(const PurgeLine& line, std::span<char> buffer);

}  // namespace plateau
