#include "profiling/plateau/launched_program.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <system_error>

#include "allocators/system/descriptor.hpp"
#include "profiling/plateau/exec_vectors.hpp"
#include "profiling/plateau/subcommand.hpp"

namespace plateau {
namespace {

constexpr int not_found = 127;
constexpr int not_executable = 126;

// All but those that tell of an error of this process's own, that cannot be caught, or that stop and go on: what is
// stopped by its terminal is the whole group.
sigset_t signals_to_hand_on() {
  sigset_t set;
  ::sigfillset(&set);
  for (const int number : {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGTSTP,
                           SIGCONT, SIGTTIN, SIGTTOU}) {
    ::sigdelset(&set, number);
  }
  return set;
}

// From the terminal, or the kernel otherwise, or this process itself.
bool reached_the_program(const siginfo_t& info) {
  return info.si_code > 0 || info.si_pid == ::getpid();
}

}  // namespace

LaunchedProgram::LaunchedProgram(const std::string& file, const std::vector<std::string>& arguments,
                                 const std::vector<std::pair<std::string, std::string>>& changes)
    : handed_on_(signals_to_hand_on()) {
  std::vector<std::string> words = arguments;
  std::vector<std::string> variables = environment_with(changes);
  const std::vector<char*> argv = pointers(words);
  const std::vector<char*> envp = pointers(variables);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  const Descriptor failed(ends[0]);
  Descriptor tell(ends[1]);

  sigset_t mask_before;
  ::pthread_sigmask(SIG_BLOCK, &handed_on_, &mask_before);
  // Ignored by whoever started us, there would be no status to wait for.
  auto* const child_handler = ::signal(SIGCHLD, SIG_DFL);
  // A program may take the terminal for a group of its own, and what is said meanwhile must not stop us.
  auto* const output_handler = ::signal(SIGTTOU, SIG_IGN);
  pid_ = ::fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ == 0) {
    ::signal(SIGCHLD, child_handler);
    ::signal(SIGTTOU, output_handler);
    ::pthread_sigmask(SIG_SETMASK, &mask_before, nullptr);
    ::execve(file.c_str(), argv.data(), envp.data());
    if (errno == ENOEXEC) {  // a script without #!, as execvp() has it
      std::vector<char*> shell{const_cast<char*>("/bin/sh"), const_cast<char*>(file.c_str())};
      shell.insert(shell.end(), argv.begin() + 1, argv.end());
      ::execve(shell.front(), shell.data(), envp.data());
    }
    const int error = errno;
    static_cast<void>(!::write(tell.get(), &error, sizeof error));
    ::_exit(not_found);
  }
  tell.reset();
  int error = 0;
  if (::read(failed.get(), &error, sizeof error) != sizeof error) return;
  ::waitpid(pid_, nullptr, 0);
  throw CommandError(error == ENOENT ? not_found : not_executable,
                     file + ": " + std::generic_category().message(error));
}

void LaunchedProgram::wait() {
  for (;;) {
    siginfo_t info{};
    const int number = ::sigwaitinfo(&handed_on_, &info);
    if (number == SIGCHLD) {
      if (::waitpid(pid_, &status_, WNOHANG) == pid_) return;
    } else if (number > 0 && !reached_the_program(info)) {
      ::kill(pid_, number);
    }
  }
}

void LaunchedProgram::end_alike() const {
  if (!WIFSIGNALED(status_)) ::_exit(WEXITSTATUS(status_));
  const int number = WTERMSIG(status_);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::prctl(PR_SET_DUMPABLE, 0);
  ::signal(number, SIG_DFL);
  sigset_t only;
  ::sigemptyset(&only);
  ::sigaddset(&only, number);
  ::pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  ::kill(::getpid(), number);
  ::_exit(128 + number);
}

}  // namespace plateau
