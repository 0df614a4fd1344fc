// Runs the program that leaks known blocks, and finds them again in a converted profile.
#pragma once

#include <string>
#include <vector>

#include "profiling/formats/pprof_reader.hpp"
#include "tests/support/child_program.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {

struct KnownLeak {
  std::string function;
  double requested = 0;  // bytes of each block
  double usable = 0;
  double blocks = 0;
};

struct Leaks {
  ScratchFolder folder;
  std::string program;  // a copy, which may be moved away
  std::string before = folder / "before.heap";
  std::string after = folder / "after.heap";
  std::vector<KnownLeak> truth;
};

// `allocator`: jemalloc, sampling once in `period` bytes, with cumulative counts; or tcmalloc, exact.
void run_known_leaks(Leaks& leaks, const std::string& allocator, unsigned lg_period = 0);

// The sum of `type` over samples that have a function of this name in their stack.
double found(const ReadProfile& profile, const std::string& function, const std::string& type);

// Converts, and reads back.
ReadProfile converted(const std::string& dump, const std::string& output);

}  // namespace plateau::testing
