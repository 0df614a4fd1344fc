// What `plateau run` sets before a program starts, so that it is profiled by whichever allocator it runs on.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "profiling/plateau/program_file.hpp"

namespace plateau {

struct RunWishes {
  std::string address;  // where each process is to listen, see profiling/agent.cpp
  std::string folder;   // for what processes leave behind; absolute
  std::string agent;    // the library's file; absolute
  std::string sampler;
  std::optional<std::uint64_t> period_bytes;  // between two samples
  bool shells = false;                        // are served as well
};

struct RunPlan {
  std::vector<std::pair<std::string, std::string>> environment;
  std::string how;  // the heap is profiled; or why it is not
  bool is_served = true;
};

// `variable` gives the value that the program would have without, or "". Throws std::runtime_error, in one line, when a
// library lies where LD_PRELOAD cannot name it.
RunPlan plan_run(const ProgramFile& program, const RunWishes& wishes,
                 const std::function<std::string(const std::string&)>& variable);

}  // namespace plateau
