// One run of the program `leak`, under whatever stands around it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "leakdemo/detector.hpp"
#include "leakdemo/process.hpp"

namespace plateau::leakdemo {

struct Launch {
  std::vector<std::string> wrapper = {};      // a command that runs the program
  std::string program = "leak";               // in the folder of the programs
  std::vector<std::string> preload = {};      // in LD_PRELOAD, in this order
  bool brings_malloc = false;                 // so that the allocator which the leak wants is left out
  std::vector<std::string> environment = {};  // NAME=value
  std::vector<int> good_statuses = {0};
  // With these the program waits after its warm-up, a tenth of its operations, and again when it is done; without them
  // there is no warm-up.
  std::function<void(Process&)> when_warm = {};
  std::function<void(Process&)> when_done = {};
};

struct LeakRun {
  std::string failure;  // one line, when it came to no good end
  Cost cost;
  std::string errors;  // its standard error
};

LeakRun run_leak(const Programs& programs, const Task& task, const Launch& launch);

}  // namespace plateau::leakdemo
