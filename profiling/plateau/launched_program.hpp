// A program that runs in the place of this one: same streams, terminal, process group; its signals are handed on, and
// its end becomes this program's.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace plateau {

class LaunchedProgram {
 public:
  // Starts `arguments` with `file` as the program, and the environment of this process with `changes`. Blocks the
  // signals that are handed on, in the calling thread and those that it makes afterwards: none may be there before.
  // Throws CommandError (126, 127) when it cannot be executed.
  LaunchedProgram(const std::string& file, const std::vector<std::string>& arguments,
                  const std::vector<std::pair<std::string, std::string>>& changes);
  LaunchedProgram(const LaunchedProgram&) = delete;
  LaunchedProgram& operator=(const LaunchedProgram&) = delete;

  pid_t pid() const { return pid_; }

  // Waits for its end. What is sent to this process meanwhile (kill(1), a supervisor) is sent to it; what a terminal
  // sends to the whole group (Ctrl-C) has reached it already. Ctrl-Z stops both.
  void wait();

  // How it ended, which wait() has found: its status as waitpid() tells it.
  int status() const { return status_; }

  // Ends this process in the same way: by the same status, or the same signal, without a second core file.
  [[noreturn]] void end_alike() const;

 private:
  pid_t pid_ = -1;
  int status_ = 0;
  sigset_t handed_on_{};
};

}  // namespace plateau
