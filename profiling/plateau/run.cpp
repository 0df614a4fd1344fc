#include "profiling/plateau/run.hpp"

#include <fmt/format.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <vector>

#include <CLI/CLI.hpp>

#include "profiling/http/server_address.hpp"
#include "profiling/number_option.hpp"
#include "profiling/plateau/launched_program.hpp"
#include "profiling/plateau/own_libraries.hpp"
#include "profiling/plateau/program_file.hpp"
#include "profiling/plateau/run_plan.hpp"
#include "profiling/plateau/run_report.hpp"
#include "profiling/plateau/run_watch.hpp"

namespace plateau {
namespace {

namespace fs = std::filesystem;

constexpr const char* mark_variable = "PLATEAU_RUN";
constexpr std::size_t most_summaries = 3;

std::string environment_variable(const std::string& name) {
  const char* const value = ::secure_getenv(name.c_str());
  return value != nullptr ? value : "";
}

// The program's standard error is its own: lines of ours begin with our name.
void say(const std::string& line) {
  fmt::print(stderr, "plateau: {}\n", line);
}

std::vector<std::string> without_separator(std::vector<std::string> words) {
  if (!words.empty() && words.front() == "--") words.erase(words.begin());
  return words;
}

std::string make_folder(const std::string& wanted, const std::string& program) {
  const fs::path folder = fs::absolute(wanted.empty() ? fmt::format("plateau-{}-{}", program, ::getpid()) : wanted);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error || ::access(folder.c_str(), W_OK | X_OK) != 0) {
    throw std::runtime_error(fmt::format("{}: {}; give another folder by --out", folder.string(),
                                         error ? error.message() : std::string("cannot be written to")));
  }
  return folder;
}

std::string where_to_look(const WatchedProcess& process) {
  return process.address.starts_with("unix:")
             ? fmt::format("curl --unix-socket {} http://localhost/debug/", process.address.substr(5))
             : fmt::format("http://{}/debug/", process.address);
}

std::string how_it_ended(int status, double seconds) {
  if (WIFSIGNALED(status))
    return fmt::format("signal {} ({}) after {:.1f} s", WTERMSIG(status), ::strsignal(WTERMSIG(status)), seconds);
  return fmt::format("status {} after {:.1f} s", WEXITSTATUS(status), seconds);
}

void report(const RunSummary& run, const std::vector<WatchedProcess>& processes) {
  const std::vector<ProcessSummary> summaries = write_run_report(run, processes);
  for (std::size_t i = 0; i < std::min(summaries.size(), most_summaries); ++i) {
    const ProcessSummary& one = summaries[i];
    say(fmt::format("{}: peak RSS {:.1f} MB{}{}", one.name, static_cast<double>(one.peak_rss_bytes) / 1e6,
                    one.verdict.empty() ? "" : "; at last ", one.verdict));
  }
  const std::size_t more = summaries.size() - std::min(summaries.size(), most_summaries);
  say(fmt::format("report: {}/report.html{}", run.folder,
                  more > 0 ? fmt::format(" ({} more processes)", more) : std::string()));
}

}  // namespace

CLI::App* RunCommand::add_to(CLI::App& app) {
  command_ = app.add_subcommand("run", "run PROGRAM as it is, profiled, and write a report at its end");
  command_->add_option("--out", folder_, "the folder for report.html and .pb.gz; plateau-PROGRAM-PID where not said");
  command_
      ->add_option("--address", address_,
                   "where each process is served: 127.0.0.1:6060, 127.0.0.1:6060+ for the next free port, or "
                   "unix:/run/app-%p.sock")
      ->capture_default_str();
  add_size(*command_, "--period", period_bytes_,
           "bytes between two samples; 64KiB where malloc is sampled, and the allocator's own otherwise", 1,
           std::uint64_t{1} << 40);
  command_->add_flag("--shells", shells_, "look at shells as well");
  command_->footer(
      "PROGRAM ARGS… follow the options. The exit status is the program's; it dies by the signal that the "
      "program dies by. 127: no such program, 126: it cannot be executed, 2: options are no good.");
  command_->prefix_command();
  return command_;
}

int RunCommand::run() {
  const std::vector<std::string> words = without_separator(command_->remaining());
  if (words.empty()) throw std::runtime_error("run: name a program: plateau run PROGRAM ARGS…");
  if (words.front().starts_with('-'))
    throw std::runtime_error(fmt::format("run: {}: no such option; --help lists them", words.front()));
  parse_server_address(address_, true);
  const ProgramFile program = find_program(words.front());
  const std::string short_name = program.path.substr(program.path.rfind('/') + 1);
  RunWishes wishes{.address = address_,
                   .folder = {},
                   .agent = own_library("libplateau_agent.so"),
                   .sampler = own_library("libplateau_sampler.so"),
                   .period_bytes = period_bytes_ > 0 ? std::optional(period_bytes_) : std::nullopt,
                   .shells = shells_};
  wishes.folder = make_folder(folder_, short_name);
  RunPlan plan = plan_run(program, wishes, environment_variable);
  const std::string mark = std::to_string(::getpid());
  plan.environment.emplace_back(mark_variable, mark);
  if (!plan.is_served) say(fmt::format("not profiled, and only RSS is watched: {}", plan.how));

  LaunchedProgram launched(program.path, words, plan.environment);
  RunWatch watch(launched.pid(), fmt::format("{}={}", mark_variable, mark), plan.is_served ? "" : short_name,
                 [folder = wishes.folder](const WatchedProcess& process) {
                   say(fmt::format("{} (process {}): {} while it runs, {}/report.html at its end", process.program,
                                   process.process, where_to_look(process), folder));
                 });
  launched.wait();
  const double seconds = watch.seconds();
  watch.stop();
  try {
    report({.command = fmt::format("{}", fmt::join(words, " ")),
            .how = plan.how,
            .ended = how_it_ended(launched.status(), seconds),
            .folder = wishes.folder},
           watch.processes());
  } catch (const std::exception& error) {
    say(fmt::format("no report: {}", error.what()));  // the status stays the program's
  }
  std::fflush(stderr);
  launched.end_alike();
}

}  // namespace plateau
