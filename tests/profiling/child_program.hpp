// A program that runs beside the test, which talks to it through its standard streams.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace plateau::testing {

class ChildProgram {
 public:
  // Looks `arguments[0]` up in PATH. `environment` is NAME=value, beside the test's own. Throws std::system_error when
  // it cannot be started.
  ChildProgram(std::vector<std::string> arguments, std::vector<std::string> environment = {});
  // Kills it when it still runs.
  ~ChildProgram();
  ChildProgram(const ChildProgram&) = delete;
  ChildProgram& operator=(const ChildProgram&) = delete;

  pid_t pid() const { return pid_; }
  // The next line of its standard output (or error), without the newline; empty at the end.
  std::string read_line() { return read_line(out_); }
  std::string read_error_line() { return read_line(error_); }
  void write_line(const std::string& line);
  void close_input();
  void signal(int number) const;
  // Until its end: exit status, or 128 + signal. Its input is closed.
  int wait();
  // Everything that is left on its standard output and error; after wait().
  std::string rest_of_output() { return read_rest(out_); }
  std::string rest_of_error() { return read_rest(error_); }

 private:
  static std::string read_line(int fd);
  static std::string read_rest(int fd);

  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
  int error_ = -1;
  int status_ = -1;
};

// Runs it to its end with nothing to read.
struct Ended {
  int status = -1;
  std::string out;
  std::string error;
};
Ended run_to_end(std::vector<std::string> arguments, std::vector<std::string> environment = {});

}  // namespace plateau::testing
