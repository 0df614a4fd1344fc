// A program that runs beside the test, which talks to it through its standard streams; or that runs to its end.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "allocators/system/descriptor.hpp"

namespace plateau::testing {

struct ProgramOptions {
  std::vector<std::string> environment = {};  // NAME=value, beside the test's own
  bool as_nobody = false;                     // give up root first; without root to give up, nothing changes
  std::filesystem::path program = {};         // what runs, in the place of the first argument
  // Called in the child just before the program: must be async-signal-safe. False ends it with status 126.
  std::function<bool()> enter = {};
};

struct Finished {
  int status = -1;  // exit status, or 128 + signal
  pid_t pid = -1;   // that it had
  std::string out = {};
  std::string error = {};
};

// Called with all of standard output so far, whenever more has come; returns a signal to send, or 0.
using Watch = std::function<int(const std::string& out_so_far)>;

class ChildProgram {
 public:
  // Looks `arguments[0]` up in PATH. Throws std::system_error when no process is to be had.
  explicit ChildProgram(std::vector<std::string> arguments, std::vector<std::string> environment = {});
  ChildProgram(std::vector<std::string> arguments, ProgramOptions options);
  // Kills it when it still runs.
  ~ChildProgram();
  ChildProgram(const ChildProgram&) = delete;
  ChildProgram& operator=(const ChildProgram&) = delete;

  pid_t pid() const { return pid_; }
  // The next line of its standard output (or error), without the newline; empty at the end.
  std::string read_line() { return read_line(out_.get()); }
  std::string read_error_line() { return read_line(error_.get()); }
  void write_line(const std::string& line);
  void close_input() { in_.reset(); }
  void signal(int number) const;
  // Until its end: exit status, or 128 + signal. Its input is closed.
  int wait();
  // Everything that is left on its standard output and error; after wait().
  std::string rest_of_output() { return read_rest(out_.get()); }
  std::string rest_of_error() { return read_rest(error_.get()); }
  // Closes its input, reads all it says, and waits; kills it after ten minutes.
  Finished finish(const Watch& watch = {});

 private:
  static std::string read_line(int fd);
  static std::string read_rest(int fd);

  pid_t pid_ = -1;
  Descriptor in_;
  Descriptor out_;
  Descriptor error_;
  int status_ = -1;
};

// Runs a program to its end with nothing to read: one that is looked up in PATH, or a file under its own name.
Finished run_to_end(std::vector<std::string> arguments, std::vector<std::string> environment = {});
Finished run(const std::filesystem::path& program, std::vector<std::string> arguments, ProgramOptions options = {},
             const Watch& watch = {});

}  // namespace plateau::testing
