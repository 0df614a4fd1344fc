#include "tests/labs/lab_process.hpp"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

namespace plateau::testing {
namespace fs = std::filesystem;
namespace {

constexpr std::chrono::minutes patience{10};
constexpr uid_t nobody = 65534;

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// Appends what can be read now; false at the end.
bool drain(int fd, std::string& text) {
  std::array<char, 4096> buffer{};
  const ssize_t count = ::read(fd, buffer.data(), buffer.size());
  if (count > 0) text.append(buffer.data(), static_cast<std::size_t>(count));
  return count > 0;
}

}  // namespace

Finished run(const fs::path& program, const std::vector<std::string>& arguments, const RunOptions& options) {
  std::vector<std::string> words{program.filename()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> variables = options.environment;
  for (char** entry = environ; *entry != nullptr; ++entry) variables.emplace_back(*entry);
  const auto argv = pointers(words);
  const auto envp = pointers(variables);
  int out[2];
  int error[2];
  if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(error, O_CLOEXEC) != 0) throw std::runtime_error("no pipes");
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("no process");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(out[1], STDOUT_FILENO);
    ::dup2(error[1], STDERR_FILENO);
    if (options.as_nobody && ::getuid() == 0 &&
        (::setgroups(0, nullptr) != 0 || ::setgid(nobody) != 0 || ::setuid(nobody) != 0))
      ::_exit(125);
    ::execve(program.c_str(), argv.data(), envp.data());
    ::_exit(126);
  }
  ::close(out[1]);
  ::close(error[1]);

  Finished result;
  result.pid = child;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  std::array<pollfd, 2> open{{{out[0], POLLIN, 0}, {error[0], POLLIN, 0}}};
  while (open[0].fd >= 0 || open[1].fd >= 0) {
    ::poll(open.data(), open.size(), 1000);
    for (std::size_t i = 0; i < open.size(); ++i) {
      if (open[i].revents != 0 && !drain(open[i].fd, i == 0 ? result.out : result.error)) open[i].fd = -1;
    }
    if (options.watch) {
      if (const int signal = options.watch(result.out); signal != 0) ::kill(child, signal);
    }
    if (std::chrono::steady_clock::now() > deadline) ::kill(child, SIGKILL);
  }
  ::close(out[0]);
  ::close(error[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  result.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return result;
}

boost::json::object read_json(const std::string& file) {
  return boost::json::parse(read_text(file)).as_object();
}

std::vector<fs::path> cgroups_of(pid_t lab) {
  const std::string prefix = "plateau-" + std::to_string(lab) + "-";
  std::vector<fs::path> found;
  std::error_code error;
  const auto options = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator it("/sys/fs/cgroup", options, error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().filename().string().starts_with(prefix)) found.push_back(it->path());
  }
  return found;
}

const boost::json::object& row(const boost::json::object& result, std::string_view metric) {
  for (const auto& one : result.at("verdict").at("rows").as_array()) {
    if (one.at("metric").as_string() == metric) return one.as_object();
  }
  throw std::runtime_error("no row " + std::string(metric));
}

}  // namespace plateau::testing
