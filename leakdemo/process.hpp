// A program that runs beside this one: with an environment of its own, a line-wise talk through pipes, and its cost.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace plateau::leakdemo {

struct Command {
  std::vector<std::string> arguments;         // the program first, looked up in PATH
  std::vector<std::string> environment = {};  // NAME=value, in place of what there is of that name
  std::filesystem::path folder = ".";         // in which it runs; its standard error goes to `stderr.txt` there
};

struct ProcessEnd {
  int status = -1;         // exit status, or 128 + signal
  double cpu_seconds = 0;  // user and system, of it and of the children that it waited for
  bool timed_out = false;
};

// Not thread-safe. Every wait for the program ends at the deadline, at which the program is killed.
class Process {
 public:
  // Throws std::system_error when the program cannot be started.
  Process(const Command& command, std::chrono::seconds time_limit);
  // Kills it, and what it started, when it still runs.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  // The next line of its standard output without the newline; empty at the end or at the deadline.
  std::string read_line();
  void write_line(const std::string& line);
  void send(int signal) const;
  // Closes its input, reads the rest of its output, and waits.
  ProcessEnd wait();
  // What was read by wait().
  const std::string& output() const { return buffer_; }

 private:
  bool read_more();
  void kill_all() const;

  const std::chrono::steady_clock::time_point deadline_;
  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
  bool ended_ = false;
  bool timed_out_ = false;
  std::string buffer_;
};

// Runs it to its end with nothing to read.
struct Finished {
  ProcessEnd end;
  std::string output;
};
Finished run_to_end(const Command& command, std::chrono::seconds time_limit);

// CPU time of this process and of those that it has waited for.
double cpu_seconds();

// Empty when the file cannot be read.
std::string text_of(const std::filesystem::path& file);

// Whether PATH has a program of that name.
bool is_installed(const std::string& program);

// Whether the dynamic linker finds a library of that name for LD_PRELOAD.
bool can_be_preloaded(const std::string& library);

// A folder that is removed at the end.
class ScratchFolder {
 public:
  // Throws std::system_error.
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace plateau::leakdemo
