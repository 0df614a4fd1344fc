#include "profiling/plateau/try.hpp"

#include <fmt/format.h>
#include <sys/wait.h>

#include <cstdio>
#include <optional>
#include <sstream>
#include <stdexcept>

#include <CLI/CLI.hpp>

#include "profiling/number_option.hpp"
#include "profiling/plateau/program_file.hpp"
#include "profiling/plateau/trial.hpp"

namespace plateau {
namespace {

struct Figure {
  const char* name;
  double Trial::*value;
  double unit;
  const char* unit_name;
};

constexpr Figure figures[] = {{"peak RSS", &Trial::peak_rss_bytes, 1e6, "MB"},
                              {"steady RSS", &Trial::steady_rss_bytes, 1e6, "MB"},
                              {"CPU", &Trial::cpu_seconds, 1, "s"},
                              {"time", &Trial::seconds, 1, "s"}};

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::vector<double> column(const std::vector<Trial>& trials, double Trial::*value) {
  std::vector<double> result;
  for (const Trial& trial : trials) result.push_back(trial.*value);
  return result;
}

void print(const std::vector<TrialArm>& arms, const std::vector<std::vector<Trial>>& trials) {
  for (std::size_t arm = 0; arm < arms.size(); ++arm) {
    fmt::print("{}{}\n", arm == 0 ? "" : "\nwith ", arm == 0 ? "as it is" : arms[arm].name);
    for (const Figure& figure : figures) {
      const std::vector<double> values = column(trials[arm], figure.value);
      fmt::print("  {:<12}{:>10.2f} {:<2}", figure.name, median_of(values) / figure.unit, figure.unit_name);
      if (arm == 0) {
        fmt::print("\n");
        continue;
      }
      const Ratio ratio = ratio_of(values, column(trials[0], figure.value));
      fmt::print("  x {:.2f} ({:.2f} to {:.2f}){}\n", ratio.median, ratio.least, ratio.most,
                 !ratio.is_judged() ? "  fewer than 5 runs: not judged"
                 : ratio.is_clear() ? ""
                                    : "  no difference beyond the spread");
    }
  }
}

// An arm in which the program fails, or ends in another way, says nothing about memory.
int ends_alike(const std::vector<TrialArm>& arms, const std::vector<std::vector<Trial>>& trials) {
  const int expected = trials[0][0].status;
  for (std::size_t arm = 0; arm < arms.size(); ++arm) {
    for (const Trial& trial : trials[arm]) {
      if (trial.status == expected) continue;
      fmt::print(stderr, "plateau: try: it does not end alike: {} the first time as it is, {} with {}\n",
                 WIFSIGNALED(expected) ? 128 + WTERMSIG(expected) : WEXITSTATUS(expected),
                 WIFSIGNALED(trial.status) ? 128 + WTERMSIG(trial.status) : WEXITSTATUS(trial.status),
                 arm == 0 ? "nothing changed" : arms[arm].name);
      return 1;
    }
  }
  return 0;
}

}  // namespace

CLI::App* TryCommand::add_to(CLI::App& app) {
  CLI::App* const command =
      app.add_subcommand("try", "run a program with and without a setting or an allocator, in turn, and compare");
  command->add_option("SETTING", settings_, "NAME=value, jemalloc, tcmalloc, mimalloc, or a library's absolute path")
      ->required();
  command->add_option("--vs", others_, "another set of settings, with blanks between them; may be given again")
      ->expected(1)
      ->take_all();
  add_whole_number(*command, "--runs", runs_, "of each", 1, 1000)->capture_default_str();
  add_duration(*command, "--for", seconds_, "then SIGTERM: for a service, which does not end by itself", 0.1, 86400);
  command->footer(
      "-- PROGRAM ARGS… follow. Its input and output are /dev/null. Ratios are of runs that followed one another; in "
      "brackets the least and the most of them. Exit status 1: the program did not end alike.");
  return command;
}

int TryCommand::run() {
  if (program_.empty())
    throw std::runtime_error("try: name a program behind --: plateau try MALLOC_ARENA_MAX=2 -- PROGRAM ARGS…");
  std::vector<TrialArm> arms{{.name = "as it is", .environment = {}}, trial_arm(settings_)};
  for (const std::string& other : others_) arms.push_back(trial_arm(words_of(other)));
  const ProgramFile program = find_program(program_.front());
  const std::optional<double> most_seconds = seconds_ > 0 ? std::optional(seconds_) : std::nullopt;
  std::vector<std::vector<Trial>> trials(arms.size());
  for (std::uint64_t run = 0; run < runs_; ++run) {
    for (std::size_t i = 0; i < arms.size(); ++i) {
      // Another one begins each time, since the first of a round may find the machine warm or busy.
      const std::size_t arm = (i + run) % arms.size();
      trials[arm].push_back(run_trial(program.path, program_, arms[arm], most_seconds));
    }
  }
  fmt::print("{}: {} runs of each, in turn; medians\n", fmt::join(program_, " "), runs_);
  print(arms, trials);
  return ends_alike(arms, trials);
}

}  // namespace plateau
