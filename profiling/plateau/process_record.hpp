// All that is known of one process of a run: what was seen from outside, and what it left behind.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "profiling/plateau/run_watch.hpp"
#include "profiling/profile.hpp"

namespace plateau {

struct RecordedFootprint {
  struct Part {
    std::string id;
    std::string name;
    std::int64_t bytes = 0;
  };
  double seconds = -1;  // since the run began; below 0: at the end
  std::string headline;
  std::uint64_t rss_bytes = 0;
  std::uint64_t peak_rss_bytes = 0;
  std::vector<Part> parts;
};

struct RecordedProfile {
  Profile profile;
  std::string when;  // "at its end", "at 1.2 s"
  double seconds = -1;
};

struct ProcessRecord {
  WatchedProcess seen;
  std::string name;                           // "redis-server-4711"
  std::vector<RecordedFootprint> footprints;  // by time
  std::optional<RecordedProfile> end;         // the last one
  std::optional<RecordedProfile> peak;
  std::optional<RecordedProfile> first;  // the earliest, where it is another one than the last
  std::string no_profile;                // why there is no `end`
};

// Reads everything; `folder` has what processes left behind. What cannot be read is left out. Ordered by peak RSS, the
// largest first.
std::vector<ProcessRecord> read_records(const std::string& folder, const std::vector<WatchedProcess>& processes);

}  // namespace plateau
