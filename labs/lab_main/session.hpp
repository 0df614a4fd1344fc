// What a lab's command line asks for, and the runs that this means.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "labs/harness/arm/arm.hpp"
#include "labs/harness/judge/result.hpp"
#include "labs/harness/lab.hpp"
#include "labs/lab_main/progress.hpp"
#include "labs/live/serve.hpp"

namespace plateau::harness {

// As given; empty where the lab's own hold.
struct Settings {
  std::vector<std::string> command;  // as given
  std::string allocator = "jemalloc";
  std::string memory_limit;
  std::optional<double> hours;
  std::optional<double> speedup;
  std::uint64_t seed = 1;
  std::string json;
  std::string profile;
  bool profile_raw = false;
  std::string trace;
  std::string fix = "none";
  std::optional<double> rate;
  std::string address;  // where to listen
  bool allow_remote = false;
};

// Each run prints what it does as it goes, and gives the exit status.
class Session {
 public:
  // Throws UsageError for what cannot be had, before anything is run.
  Session(Lab& lab, const Settings& settings);
  // Before and after side by side, and the verdict.
  int experiment();
  // One arm.
  int single();
  // One arm that runs on, with its dashboard.
  int serve();
  // Each fix alone, all but each, and the wrong fixes.
  int ablate();
  // Threads by allocators, of a lab that has such a matrix.
  int matrix();

 private:
  void serve_arms();
  // What the lab says of itself, where nothing else was asked for.
  void follow_description();
  // Of an experiment: whoever serves wants to see the page.
  void fit_to_machine();
  ArmSpec arm(std::string name, std::vector<std::string> fixes) const;
  // As it was asked for; otherwise as the machine can take it, up to `most`, which runs of a few seconds have.
  void choose_speedup(ArmSpec& spec, double most) const;
  // Runs the arm, shows its progress, and keeps the result. The reference stays valid.
  const ArmResult& run(const ArmSpec& spec);
  void print_profiles(const ArmResult& result) const;
  void print_pictures() const;
  void print_figures(const ArmResult& result) const;
  void print_predictions() const;
  // What cannot be read is told, and the rest goes on.
  void print_block_findings();
  // Runs arms that are compared with each other, at one speed-up. All are checked before the first is run.
  void run_all(std::vector<ArmSpec> arms);
  // Whether all arms had the same output, which it prints.
  bool print_same_output() const;
  void write() const;
  // 2 when something that was asked for could not be written.
  int status(int of_the_verdict) const;

  Lab& lab_;
  const Settings& settings_;
  ArmSpec base_;
  Progress progress_;
  ExperimentResult result_;
  bool incomplete_ = false;
};

}  // namespace plateau::harness
