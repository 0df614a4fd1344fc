#include "profiling/plateau/trial.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <thread>

#include "allocators/process_memory.hpp"
#include "profiling/plateau/exec_vectors.hpp"
#include "profiling/plateau/process_tree.hpp"

namespace plateau {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds tick{10};
constexpr std::chrono::seconds patience_after_term{10};

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

pid_t start(const std::string& file, std::vector<std::string> arguments, const TrialArm& arm) {
  std::vector<std::string> variables = environment_with(arm.environment);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = -1;
  const int error =
      ::posix_spawn(&child, file.c_str(), &actions, nullptr, pointers(arguments).data(), pointers(variables).data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error(fmt::format("{}: {}", file, std::generic_category().message(error)));
  return child;
}

double rss_of(const ProcessTree& tree) {
  double sum = 0;
  for (const pid_t process : tree.members()) {
    if (const auto memory = process_memory(process)) sum += static_cast<double>(memory->rss_bytes);
  }
  return sum;
}

}  // namespace

TrialArm trial_arm(const std::vector<std::string>& settings) {
  TrialArm arm;
  std::string preload;
  for (const std::string& setting : settings) {
    arm.name += (arm.name.empty() ? "" : " ") + setting;
    const auto equals = setting.find('=');
    if (equals != std::string::npos && equals > 0) {
      arm.environment.emplace_back(setting.substr(0, equals), setting.substr(equals + 1));
      continue;
    }
    if (!preload.empty()) throw std::runtime_error(fmt::format("{}: one allocator at a time", setting));
    if (setting == "jemalloc") preload = "libjemalloc.so.2";
    if (setting == "tcmalloc") preload = "libtcmalloc.so.4";
    if (setting == "mimalloc") preload = "libmimalloc.so.2";
    if (setting.starts_with('/') && ::access(setting.c_str(), R_OK) == 0) preload = setting;
    if (preload.empty())
      throw std::runtime_error(
          fmt::format("{}: give NAME=value, jemalloc, tcmalloc, mimalloc, or the absolute path of a library", setting));
  }
  if (!preload.empty()) arm.environment.emplace_back("LD_PRELOAD", preload);
  return arm;
}

Trial run_trial(const std::string& file, const std::vector<std::string>& arguments, const TrialArm& arm,
                std::optional<double> most_seconds) {
  const Clock::time_point begin = Clock::now();
  const pid_t child = start(file, arguments, arm);
  ProcessTree tree(child, {});
  Trial trial;
  std::vector<double> samples;
  rusage used{};
  int signal_sent = 0;
  while (::wait4(child, &trial.status, WNOHANG, &used) == 0) {
    tree.look();
    samples.push_back(rss_of(tree));
    const double passed = std::chrono::duration<double>(Clock::now() - begin).count();
    if (most_seconds && passed > *most_seconds && signal_sent == 0) {
      ::kill(child, signal_sent = SIGTERM);
    } else if (most_seconds && passed > *most_seconds + patience_after_term.count() && signal_sent == SIGTERM) {
      ::kill(child, signal_sent = SIGKILL);
    }
    std::this_thread::sleep_for(tick);
  }
  trial.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  trial.cpu_seconds = seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
  // Of one process the kernel knows the peak exactly.
  trial.peak_rss_bytes = static_cast<double>(used.ru_maxrss) * 1024;
  if (samples.empty()) samples.push_back(trial.peak_rss_bytes);
  trial.peak_rss_bytes = std::max(trial.peak_rss_bytes, *std::max_element(samples.begin(), samples.end()));
  trial.steady_rss_bytes =
      median_of({samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2), samples.end()});
  return trial;
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

Ratio ratio_of(const std::vector<double>& with, const std::vector<double>& without) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < with.size(); ++i) ratios.push_back(without[i] > 0 ? with[i] / without[i] : 1);
  const auto [least, most] = std::minmax_element(ratios.begin(), ratios.end());
  return {median_of(ratios), *least, *most, ratios.size()};
}

}  // namespace plateau
