// One run of a program, measured from outside; and what several of them say when they are compared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace plateau {

// What is different from the program as it is.
struct TrialArm {
  std::string name;  // as it was typed
  std::vector<std::pair<std::string, std::string>> environment;
};

struct Trial {
  double peak_rss_bytes = 0;    // of the program and what it started, in sum
  double steady_rss_bytes = 0;  // the median of the second half of its time
  double cpu_seconds = 0;       // of them, as far as they were waited for
  double seconds = 0;
  int status = 0;  // as waitpid() tells it
};

// The settings of one arm: NAME=value, or an allocator to preload: jemalloc, tcmalloc, mimalloc or a library's absolute
// path. Throws std::runtime_error, in one line, for anything else.
TrialArm trial_arm(const std::vector<std::string>& settings);

// Runs the program to its end, or for `most_seconds`, after which it gets SIGTERM, and ten seconds later SIGKILL. Its
// input and output are /dev/null. Throws std::runtime_error when it cannot be started.
Trial run_trial(const std::string& file, const std::vector<std::string>& arguments, const TrialArm& arm,
                std::optional<double> most_seconds);

struct Ratio {
  double median = 0;
  double least = 0;
  double most = 0;

  std::size_t pairs = 0;

  // Fewer say the same by chance too often: two of a kind every second time, five once in sixteen.
  static constexpr std::size_t least_pairs = 5;
  bool is_judged() const { return pairs >= least_pairs; }
  // Whether all pairs say the same, and are enough.
  bool is_clear() const { return is_judged() && (least > 1 || most < 1); }
};

// Of pairs that ran one after the other; both have the same number, at least one.
Ratio ratio_of(const std::vector<double>& with, const std::vector<double>& without);
// Of at least one.
double median_of(std::vector<double> values);

}  // namespace plateau
