#include "tests/profiling/child_program.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <thread>

namespace plateau::testing {
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

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

ChildProgram::ChildProgram(std::vector<std::string> arguments, std::vector<std::string> environment) {
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  const auto argv = pointers(arguments);
  const auto envp = pointers(environment);
  const Pipe in;
  const Pipe out;
  const Pipe error;
  pid_ = ::fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(in.read, STDIN_FILENO);
    ::dup2(out.write, STDOUT_FILENO);
    ::dup2(error.write, STDERR_FILENO);
    ::execvpe(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  ::close(in.read);
  ::close(out.write);
  ::close(error.write);
  in_ = in.write;
  out_ = out.read;
  error_ = error.read;
}

ChildProgram::~ChildProgram() {
  if (status_ < 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  close_input();
  ::close(out_);
  ::close(error_);
}

void ChildProgram::write_line(const std::string& line) {
  const std::string text = line + "\n";
  if (::write(in_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    throw std::system_error(errno, std::generic_category(), "the program does not read");
  }
}

void ChildProgram::close_input() {
  if (in_ >= 0) ::close(in_);
  in_ = -1;
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
  std::array<char, 4096> buffer{};
  for (ssize_t count = 0; (count = ::read(fd, buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return text;
}

Ended run_to_end(std::vector<std::string> arguments, std::vector<std::string> environment) {
  ChildProgram program(std::move(arguments), std::move(environment));
  program.close_input();
  Ended ended;
  std::thread errors([&] { ended.error = program.rest_of_error(); });  // so that neither pipe fills up
  ended.out = program.rest_of_output();
  errors.join();
  ended.status = program.wait();
  return ended;
}

}  // namespace plateau::testing
