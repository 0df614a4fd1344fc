#include "tests/support/child_program.hpp"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

namespace plateau::testing {
namespace {

constexpr std::chrono::minutes patience{10};
constexpr uid_t nobody = 65534;

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
  Descriptor read;
  Descriptor write;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

bool become_nobody() {
  return ::getuid() != 0 || (::setgroups(0, nullptr) == 0 && ::setgid(nobody) == 0 && ::setuid(nobody) == 0);
}

// Appends what can be read now; false at the end.
bool drain(int fd, std::string& text) {
  std::array<char, 4096> buffer{};
  const ssize_t count = ::read(fd, buffer.data(), buffer.size());
  if (count > 0) text.append(buffer.data(), static_cast<std::size_t>(count));
  return count > 0;
}

}  // namespace

ChildProgram::ChildProgram(std::vector<std::string> arguments, std::vector<std::string> environment)
    : ChildProgram(std::move(arguments), ProgramOptions{.environment = std::move(environment)}) {}

ChildProgram::ChildProgram(std::vector<std::string> arguments, ProgramOptions options) {
  std::vector<std::string>& environment = options.environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  const std::string program = options.program.empty() ? arguments.front() : options.program.string();
  const auto argv = pointers(arguments);
  const auto envp = pointers(environment);
  Pipe in;
  Pipe out;
  Pipe error;
  pid_ = ::fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(in.read.get(), STDIN_FILENO);
    ::dup2(out.write.get(), STDOUT_FILENO);
    ::dup2(error.write.get(), STDERR_FILENO);
    if (options.as_nobody && !become_nobody()) ::_exit(125);
    if (options.enter && !options.enter()) ::_exit(126);
    ::execvpe(program.c_str(), argv.data(), envp.data());
    ::_exit(127);
  }
  in_ = std::move(in.write);
  out_ = std::move(out.read);
  error_ = std::move(error.read);
}

ChildProgram::~ChildProgram() {
  if (status_ >= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void ChildProgram::write_line(const std::string& line) {
  const std::string text = line + "\n";
  if (::write(in_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    throw std::system_error(errno, std::generic_category(), "the program does not read");
  }
}

void ChildProgram::signal(int number) const {
  ::kill(pid_, number);
}

int ChildProgram::wait() {
  close_input();
  int status = 0;
  ::waitpid(pid_, &status, 0);
  status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return status_;
}

std::string ChildProgram::read_line(int fd) {
  std::string line;
  char byte = 0;
  while (::read(fd, &byte, 1) == 1 && byte != '\n') line += byte;
  return line;
}

std::string ChildProgram::read_rest(int fd) {
  std::string text;
  while (drain(fd, text)) {
  }
  return text;
}

Finished ChildProgram::finish(const Watch& watch) {
  close_input();
  Finished result{.pid = pid_};
  const auto deadline = std::chrono::steady_clock::now() + patience;
  std::array<pollfd, 2> open{{{out_.get(), POLLIN, 0}, {error_.get(), POLLIN, 0}}};
  while (open[0].fd >= 0 || open[1].fd >= 0) {
    ::poll(open.data(), open.size(), 1000);
    for (std::size_t i = 0; i < open.size(); ++i) {
      if (open[i].revents != 0 && !drain(open[i].fd, i == 0 ? result.out : result.error)) open[i].fd = -1;
    }
    if (const int number = watch ? watch(result.out) : 0; number != 0) signal(number);
    if (std::chrono::steady_clock::now() > deadline) signal(SIGKILL);
  }
  result.status = wait();
  return result;
}

Finished run_to_end(std::vector<std::string> arguments, std::vector<std::string> environment) {
  return ChildProgram(std::move(arguments), std::move(environment)).finish();
}

Finished run(const std::filesystem::path& program, std::vector<std::string> arguments, ProgramOptions options,
             const Watch& watch) {
  arguments.insert(arguments.begin(), program.filename());
  options.program = program;
  return ChildProgram(std::move(arguments), std::move(options)).finish(watch);
}

}  // namespace plateau::testing
