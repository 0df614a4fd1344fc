// Programs that nobody wrote for the agent, with the agent. AGENT is the agent's file.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/profiling/http_client.hpp"
#include "tests/support/child_program.hpp"

namespace plateau::testing {

using Environment = std::vector<std::string>;

// Preloads the agent behind `libraries`, which end with a colon when there are any.
inline Environment with_agent(const std::string& libraries = {}, const std::string& address = "127.0.0.1:0",
                              Environment more = {}) {
  more.push_back("LD_PRELOAD=" + libraries + AGENT);
  more.push_back("PLATEAU_PPROF=" + address);
  return more;
}

// In the line by which the agent says where it listens. Throws std::runtime_error, with the line, for another one.
inline std::uint16_t port_in(const std::string& line) {
  const std::string words = "listening on port ";
  const auto at = line.find(words);
  if (at == std::string::npos) throw std::runtime_error("the agent said: " + line);
  return static_cast<std::uint16_t>(std::stoi(line.substr(at + words.size())));
}

// A program with the agent, which says on standard error where it listens.
class Served : public ChildProgram {
 public:
  explicit Served(std::vector<std::string> arguments, const std::string& libraries = {}, Environment more = {})
      : Served(std::move(arguments), with_agent(libraries, "127.0.0.1:0", std::move(more))) {}
  // The environment has the agent already, on a port of the kernel's choice: others can be another test's.
  Served(std::vector<std::string> arguments, Environment environment)
      : ChildProgram(std::move(arguments), verbose(std::move(environment))) {
    port_ = port_in(read_error_line());
  }
  std::uint16_t port() const { return port_; }
  unsigned status(const std::string& target) const { return get(port_, target).result_int(); }
  std::string text(const std::string& target) const { return get(port_, target).body(); }

 private:
  static Environment verbose(Environment environment) {
    environment.push_back("PLATEAU_PPROF_VERBOSE=1");
    return environment;
  }
  std::uint16_t port_ = 0;
};

// Runs a script that ends when its input does, and says "ready" before.
inline std::vector<std::string> python(const std::string& script) {
  return {"/usr/bin/python3", "-c", "import os, sys, signal\n" + script};
}
inline const std::string until_end_of_input = "print('ready', flush=True)\nsys.stdin.read()\n";

}  // namespace plateau::testing
