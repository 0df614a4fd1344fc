#include "leakdemo/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>
#include <system_error>

#include "allocators/system/cpu_clock.hpp"

namespace plateau::leakdemo {
namespace {

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    read = ends[0];
    write = ends[1];
  }
  int read = -1;
  int write = -1;
};

std::string name_of(const std::string& variable) {
  return variable.substr(0, variable.find('=') + 1);
}

std::vector<std::string> merged_environment(const std::vector<std::string>& own) {
  std::vector<std::string> all = own;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string name = name_of(*entry);
    if (std::none_of(own.begin(), own.end(), [&](const auto& one) { return name_of(one) == name; }))
      all.emplace_back(*entry);
  }
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

Process::Process(const Command& command, std::chrono::seconds time_limit)
    : deadline_(std::chrono::steady_clock::now() + time_limit) {
  std::vector<std::string> arguments = command.arguments;
  std::vector<std::string> environment = merged_environment(command.environment);
  const std::string folder = std::filesystem::absolute(command.folder);
  const std::string errors = folder + "/stderr.txt";
  const Pipe in;
  const Pipe out;
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in.read, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, out.write, STDOUT_FILENO);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  ::posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  // A group of its own: at the deadline all of it is ended.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  const int error = ::posix_spawnp(&pid_, arguments[0].c_str(), &actions, &attributes, pointers(arguments).data(),
                                   pointers(environment).data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(in.read);
  ::close(out.write);
  in_ = in.write;
  out_ = out.read;
  if (error == 0) return;
  ::close(in_);
  ::close(out_);
  throw std::system_error(error, std::generic_category(), "cannot start " + arguments[0]);
}

Process::~Process() {
  if (!ended_) {
    kill_all();
    ::waitpid(pid_, nullptr, 0);
  }
  if (in_ >= 0) ::close(in_);
  ::close(out_);
}

void Process::kill_all() const {
  ::kill(-pid_, SIGKILL);
}

bool Process::read_more() {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - std::chrono::steady_clock::now());
  pollfd wanted{.fd = out_, .events = POLLIN, .revents = 0};
  if (::poll(&wanted, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0))) == 0) {
    timed_out_ = true;
    return false;
  }
  std::array<char, 4096> part{};
  const ssize_t count = ::read(out_, part.data(), part.size());
  if (count < 0 && errno == EINTR) return true;
  if (count > 0) buffer_.append(part.data(), static_cast<std::size_t>(count));
  return count > 0;
}

std::string Process::read_line() {
  std::size_t end = std::string::npos;
  while ((end = buffer_.find('\n')) == std::string::npos) {
    if (!read_more()) return {};
  }
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 1);
  return line;
}

void Process::write_line(const std::string& line) {
  const std::string text = line + "\n";
  // A program that has ended is found out by whoever reads next. (SIGPIPE is ignored by leakdemo.)
  static_cast<void>(!::write(in_, text.data(), text.size()));
}

void Process::send(int signal) const {
  ::kill(pid_, signal);
}

ProcessEnd Process::wait() {
  ::close(in_);
  in_ = -1;
  while (read_more()) {
  }
  if (timed_out_) kill_all();
  int status = 0;
  rusage usage{};
  ::wait4(pid_, &status, 0, &usage);
  ended_ = true;
  return {.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status),
          .cpu_seconds = in_seconds(cpu_time_of(usage)),
          .timed_out = timed_out_};
}

Finished run_to_end(const Command& command, std::chrono::seconds time_limit) {
  Process process(command, time_limit);
  const ProcessEnd end = process.wait();
  return {end, process.output()};
}

double cpu_seconds() {
  double total = 0;
  for (const auto who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage{};
    ::getrusage(who, &usage);
    total += in_seconds(cpu_time_of(usage));
  }
  return total;
}

std::string text_of(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

bool is_installed(const std::string& program) {
  if (program.find('/') != std::string::npos) return ::access(program.c_str(), X_OK) == 0;
  const char* const path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((folder + "/" + program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

bool can_be_preloaded(const std::string& library) {
  const ScratchFolder folder;
  // The linker's complaint is the only way to know that asks the linker itself.
  run_to_end({.arguments = {"true"}, .environment = {"LD_PRELOAD=" + library}, .folder = folder.path()},
             std::chrono::seconds(60));
  return text_of(folder.path() / "stderr.txt").empty();
}

ScratchFolder::ScratchFolder() {
  std::string name = std::filesystem::temp_directory_path() / ("leakdemo-" + std::to_string(::getpid()) + "-XXXXXX");
  if (::mkdtemp(name.data()) == nullptr) throw std::system_error(errno, std::generic_category(), "cannot make " + name);
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace plateau::leakdemo
