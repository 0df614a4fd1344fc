// leakdemo: small programs with one leak each, and which detector sees it.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <limits>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include "allocators/system/whole_file.hpp"
#include "leakdemo/matrix.hpp"
#include "profiling/http/listen_address.hpp"
#include "profiling/number_option.hpp"

namespace {

using namespace plateau::leakdemo;
namespace fs = std::filesystem;

struct Options {
  // run
  std::string name;
  bool fixed = false;
  std::uint64_t seconds = 0;
  double megabytes_per_second = 1;
  std::string address = "127.0.0.1:6060";
  // matrix
  std::vector<std::string> leaks;
  std::vector<std::string> detectors;
  std::uint64_t jobs = std::max(1U, std::thread::hardware_concurrency());
  std::string json;
  std::string html;
};

// The other programs are beside this one.
Programs programs() {
  return {.folder = fs::read_symlink("/proc/self/exe").parent_path()};
}

const Leak& leak_of(const std::string& name) {
  const Leak* const leak = find_leak(name);
  if (leak == nullptr) throw std::runtime_error("no leak is called " + name + "; leakdemo list names them");
  return *leak;
}

void list() {
  for (const Leak* const leak : all_leaks)
    fmt::print("{:<27} {:<17} {}\n", leak->name, to_string(leak->kind), leak->sentence);
  fmt::print("\n");
  for (const auto& detector : all_detectors(programs()))
    fmt::print("{:<12} {}: {}\n", detector->name(), detector->title(), detector->unavailable().value_or("ready"));
  fmt::print("\nleakdemo run NAME keeps one running, leakdemo matrix runs all under each detector\n");
}

// Becomes the program: the same that the detectors watch, with the agent and the sampler in front.
void run(const Options& options) {
  const Leak& leak = leak_of(options.name);
  plateau::parse_listen_address(options.address, false);  // throws what is wrong with it
  const fs::path folder = programs().folder;
  const double per_second = options.megabytes_per_second * 1e6 / static_cast<double>(leak.bytes_per_operation);
  std::string preload = (folder / "libplateau_agent.so").string() + ":" + (folder / "libplateau_sampler.so").string();
  if (!leak.library.empty()) preload += ":" + std::string(leak.library);
  ::setenv("LD_PRELOAD", preload.c_str(), 1);
  ::setenv("MALLOC_CONF", "prof:true,lg_prof_sample:16", 0);  // for those that run on jemalloc
  ::setenv("PLATEAU_PPROF", options.address.c_str(), 1);
  ::setenv("PLATEAU_PPROF_VERBOSE", "1", 1);
  fmt::print("{}{}: {}\n{}\nhttp://{}/debug/pprof/  (process {}; Ctrl-C ends it)\n", leak.name,
             options.fixed ? ", repaired" : "", leak.sentence,
             options.fixed ? "It leaves nothing behind."
             : leak.kind == LeakKind::no_leak
                 ? "It leaks nothing, and its RSS is more than what it holds."
                 : fmt::format("It is made to grow by {:.1f} MB a second.", options.megabytes_per_second),
             options.address, ::getpid());
  std::fflush(stdout);
  std::vector<std::string> arguments{folder / "leak", std::string(leak.name),
                                     "--operations",  std::to_string(std::numeric_limits<std::int64_t>::max()),
                                     "--per-second",  fmt::format("{:.6f}", per_second),
                                     "--seconds",     std::to_string(options.seconds)};
  if (options.fixed) arguments.emplace_back("--fixed");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  throw std::system_error(errno, std::generic_category(), "cannot start " + arguments[0]);
}

void write(const std::string& file, const std::string& text) {
  if (!file.empty()) plateau::write_whole_file(file, text);
}

void matrix(const Options& options) {
  MatrixOptions wanted{.leaks = {}, .detectors = options.detectors, .jobs = options.jobs, .progress = {}};
  for (const std::string& name : options.leaks) wanted.leaks.push_back(&leak_of(name));
  // Before minutes are spent.
  for (const std::string& file : {options.json, options.html}) {
    if (!file.empty()) plateau::WholeFile::check(file);
  }
  if (wanted.leaks.empty()) wanted.leaks.assign(all_leaks.begin(), all_leaks.end());
  const bool shows_progress = ::isatty(STDERR_FILENO) != 0;
  wanted.progress = [shows_progress](std::size_t done, std::size_t all) {
    if (shows_progress) fmt::print(stderr, "\r{} of {} programs{}", done, all, done == all ? "\r\033[K" : "");
  };
  ::signal(SIGPIPE, SIG_IGN);
  const Matrix result = run_matrix(programs(), wanted);
  write(options.json, to_json(result));
  write(options.html, to_html(result));
  fmt::print("{}", to_text(result));
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"small programs with one leak each, and which detector sees it", "leakdemo"};
  app.require_subcommand(0, 1);

  CLI::App* const list_command = app.add_subcommand("list", "the leaks and the detectors, one line each (the default)");

  CLI::App* const run_command = app.add_subcommand("run", "keeps one running, with /debug/pprof, to practise on");
  run_command->add_option("NAME", options.name, "which: `leakdemo list` names them")->required();
  run_command->add_flag("--fixed", options.fixed, "the repair instead of the fault");
  constexpr std::uint64_t year_s = 366 * 24 * 3600;
  plateau::add_whole_number(*run_command, "--seconds", options.seconds, "for how long (default: until it is ended)", 1,
                            year_s);
  plateau::add_real_number(*run_command, "--rate", options.megabytes_per_second, "growth in MB a second", 0.001, 10'000)
      ->capture_default_str();
  run_command->add_option("--address", options.address, "ADDRESS:PORT to listen on")->capture_default_str();

  CLI::App* const matrix_command = app.add_subcommand("matrix", "runs every leak under every detector");
  matrix_command->add_option("--leaks", options.leaks, "only these, with commas between them")->delimiter(',');
  matrix_command->add_option("--detectors", options.detectors, "only these, with commas between them")->delimiter(',');
  plateau::add_whole_number(*matrix_command, "--jobs", options.jobs, "programs at a time", 1, 64)
      ->capture_default_str();
  matrix_command->add_option("--json", options.json, "write the result here");
  matrix_command->add_option("--html", options.html, "write the table as a page here");
  try {
    app.parse(argc, argv);
    if (list_command->parsed() || app.get_subcommands().empty()) list();
    if (run_command->parsed()) run(options);
    if (matrix_command->parsed()) matrix(options);
    return 0;
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const std::exception& error) {
    fmt::print(stderr, "leakdemo: {}\n", error.what());
    return 2;
  }
}
