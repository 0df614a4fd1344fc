// Looks at a program and what it starts while they run: RSS over time, a heap profile near the peak, some over time.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "profiling/plateau/process_tree.hpp"

namespace plateau {

struct RssPoint {
  double seconds = 0;  // since the run began
  std::uint64_t bytes = 0;
};

// An answer of the process's debug server.
struct KeptAnswer {
  double seconds = 0;  // since the run began
  std::uint64_t rss_bytes = 0;
  std::string body;
};

struct WatchedProcess {
  pid_t process = 0;
  std::string program;
  std::string address;  // empty: it is not served
  std::vector<RssPoint> rss;
  std::uint64_t peak_rss_bytes = 0;
  std::optional<KeptAnswer> peak;      // /debug/pprof/heap at the highest RSS at which it was asked for
  std::vector<KeptAnswer> profiles;    // the same over time
  std::vector<KeptAnswer> footprints;  // /debug/footprint, at the times of both
  std::string no_profile;              // why there is none, as the process says
};

// Asks at most so often that the answers take a twentieth of the time, beside a second of credit.
//
// Has a thread, in which `on_first` is called for
// the first process that is served for some tenths of a second. The functions are called by one thread.
class RunWatch {
 public:
  // `mark`: see ProcessTree. `unserved`, if not empty, is the name of the program, which will not be served.
  RunWatch(pid_t root, std::string mark, const std::string& unserved,
           std::function<void(const WatchedProcess&)> on_first);
  ~RunWatch() { stop(); }
  RunWatch(const RunWatch&) = delete;
  RunWatch& operator=(const RunWatch&) = delete;

  // Ends the thread; an answer that is under way is waited for, ten seconds at most.
  void stop();
  // Those that were seen; after stop().
  const std::vector<WatchedProcess>& processes() const { return processes_; }
  double seconds() const;  // since the run began

 private:
  using Clock = std::chrono::steady_clock;
  struct Schedule {
    Clock::time_point not_before{};
    double next_profile = 0.5;
    double step = 0.5;
    std::uint64_t asked_at_rss = 0;  // the highest RSS at which it was asked
    bool ended = false;
  };

  void run();
  void find_new();
  void look_at(std::size_t index);
  void ask(std::size_t index, std::uint64_t rss_bytes, bool at_peak);
  bool stopping();

  const Clock::time_point begin_ = Clock::now();
  ProcessTree tree_;
  std::set<pid_t> strangers_;  // that are served, and of no concern
  std::function<void(const WatchedProcess&)> on_first_;
  std::vector<WatchedProcess> processes_;
  std::vector<Schedule> schedules_;  // by the same index
  Clock::time_point looked_at_tree_{};
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace plateau
