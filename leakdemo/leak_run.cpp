#include "leakdemo/leak_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string_view>

namespace plateau::leakdemo {
namespace {

constexpr std::chrono::seconds time_limit{300};

Command command_of(const Programs& programs, const Task& task, const Launch& launch) {
  const bool attended = launch.when_warm != nullptr;
  Command command{.arguments = launch.wrapper, .environment = launch.environment, .folder = task.folder};
  command.arguments.push_back(programs.folder / launch.program);
  command.arguments.emplace_back(task.leak.name);
  if (task.fixed) command.arguments.emplace_back("--fixed");
  if (attended) {
    command.arguments.insert(command.arguments.end(),
                             {"--attended", "--warmup", std::to_string(task.leak.operations / 10)});
  }
  std::vector<std::string> preload = launch.preload;
  const std::string wanted(task.leak.library);
  if (!wanted.empty() && !launch.brings_malloc && std::find(preload.begin(), preload.end(), wanted) == preload.end())
    preload.push_back(wanted);
  if (!preload.empty()) command.environment.push_back(fmt::format("LD_PRELOAD={}", fmt::join(preload, ":")));
  return command;
}

// What the program itself complains of, or else the last line.
std::string reason_in(std::string_view errors) {
  while (errors.ends_with('\n')) errors.remove_suffix(1);
  constexpr std::string_view own = "leak: ";
  std::size_t begin = errors.starts_with(own) ? 0 : errors.find("\n" + std::string(own));
  begin = begin == std::string_view::npos ? errors.rfind('\n') + 1 : begin + (begin > 0 ? 1 : 0);
  return std::string(errors.substr(begin, errors.find('\n', begin) - begin));
}

// What the program says at its end; false when it did not come to that.
bool read_figures(const std::string& output, Cost& cost) {
  const auto at = output.rfind(" operations in ");
  const auto line = at == std::string::npos ? 0 : output.rfind('\n', at) + 1;
  unsigned long long operations = 0;
  return at != std::string::npos &&
         std::sscanf(output.c_str() + line, "%llu operations in %lf s of CPU time; peak RSS %ld", &operations,
                     &cost.operation_seconds, &cost.peak_rss_bytes) == 3;
}

}  // namespace

LeakRun run_leak(const Programs& programs, const Task& task, const Launch& launch) {
  Process process(command_of(programs, task, launch), time_limit);
  if (launch.when_warm) {
    for (const auto& [word, action] : {std::pair("warm", &launch.when_warm), std::pair("done", &launch.when_done)}) {
      if (process.read_line() != word) break;
      (*action)(process);
      process.write_line("go on");
    }
  }
  LeakRun run;
  const ProcessEnd end = process.wait();
  run.errors = text_of(task.folder / "stderr.txt");
  run.cost.run_seconds = end.cpu_seconds;
  const bool good =
      std::find(launch.good_statuses.begin(), launch.good_statuses.end(), end.status) != launch.good_statuses.end();
  if (end.timed_out) {
    run.failure = fmt::format("took longer than {} s", time_limit.count());
  } else if (!read_figures(process.output(), run.cost) || !good) {
    run.failure = run.errors.empty() ? fmt::format("ended with status {}", end.status) : reason_in(run.errors);
  }
  return run;
}

}  // namespace plateau::leakdemo
