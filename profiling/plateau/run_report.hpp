// What is left when a run has ended: profiles as pprof reads them, and one page.
#pragma once

#include <string>
#include <vector>

#include "profiling/plateau/run_watch.hpp"

namespace plateau {

struct RunSummary {
  std::string command;
  std::string how;     // the heap was profiled
  std::string ended;   // "status 0 after 1.2 s"
  std::string folder;  // in which the processes' own files are
};

struct ProcessSummary {
  std::string name;  // "redis-server-4711", which its files begin with
  pid_t process = 0;
  std::uint64_t peak_rss_bytes = 0;
  std::string verdict;  // one sentence; may be empty
};

// Writes, into the folder, for each process NAME-PID
//
//   NAME-PID.end.pb.gz     what was in use at its end, or when it was last asked
//   NAME-PID.peak.pb.gz    near its highest RSS
//   NAME-PID.growth.pb.gz  what came in between the first and the last profile, where there are two
//
// and report.html, which needs nothing beside it. What processes left behind themselves is read from there, and dumps
// that were converted are removed. Returns the processes, the largest first. Throws std::runtime_error when the page
// cannot be written.
std::vector<ProcessSummary> write_run_report(const RunSummary& run, const std::vector<WatchedProcess>& processes);

}  // namespace plateau
