// What the program `plateau` is made of.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace CLI {  // <CLI/CLI.hpp> takes seconds to compile
class App;
}  // namespace CLI

namespace plateau {

// Exit status where arguments or the environment are no good.
inline constexpr int exit_unusable = 2;

class Subcommand {
 public:
  Subcommand() = default;
  virtual ~Subcommand() = default;
  Subcommand(const Subcommand&) = delete;
  Subcommand& operator=(const Subcommand&) = delete;

  // Adds the subcommand with its options to `app`; called once, before run().
  virtual CLI::App* add_to(CLI::App& app) = 0;
  // Whether a program and its arguments may follow behind `--`, which are taken before run().
  virtual bool takes_program() const { return false; }
  virtual void take_program(std::vector<std::string> /*words*/) {}
  // Does it. Returns the exit status; what it throws is said in one line, and the status is then exit_unusable.
  virtual int run() = 0;
};

// An error with an exit status of its own.
class CommandError : public std::runtime_error {
 public:
  CommandError(int status, const std::string& what) : std::runtime_error(what), status_(status) {}
  int status() const { return status_; }

 private:
  int status_;
};

}  // namespace plateau
