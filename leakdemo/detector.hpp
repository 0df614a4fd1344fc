// A memory detector, as the matrix uses it.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "leakdemo/leaks/leak.hpp"
#include "leakdemo/observation.hpp"

namespace plateau::leakdemo {

// Where the programs are that the detectors need.
struct Programs {
  std::filesystem::path folder;  // of leak, leak_lsan, libplateau_agent.so, libplateau_sampler.so
};

struct Task {
  const Leak& leak;
  bool fixed = false;
  std::filesystem::path folder;  // empty, for whatever the detector writes
};

class Detector {
 public:
  virtual ~Detector() = default;
  virtual std::string_view name() const = 0;  // at most 10 characters
  virtual std::string_view title() const = 0;
  // How it is applied, as one would type it.
  virtual std::string_view use() const = 0;
  // Why it cannot be used on this machine, with the package to install; empty when it can.
  virtual std::optional<std::string> unavailable() const = 0;
  // Runs the program and says what the detector found. Thread-safe. Throws std::exception when the detector's own
  // output is not to be understood.
  virtual Observation observe(const Task& task) const = 0;
};

// The program with nobody watching: what cost is compared with. It finds nothing.
std::unique_ptr<Detector> plain_run(const Programs& programs);

std::vector<std::unique_ptr<Detector>> all_detectors(const Programs& programs);

}  // namespace plateau::leakdemo
