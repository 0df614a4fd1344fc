#include "tests/profiling/known_leaks.hpp"

#include <filesystem>
#include <sstream>
#include <stdexcept>

namespace plateau::testing {

void run_known_leaks(Leaks& leaks, const std::string& allocator, unsigned lg_period) {
  leaks.program = leaks.folder / "known_leaks";
  std::filesystem::copy(FIXTURES "/known_leaks", leaks.program);
  ProgramOptions options;
  if (allocator == "jemalloc") {
    options.environment = {"LD_PRELOAD=libjemalloc.so.2",
                           "MALLOC_CONF=prof:true,prof_accum:true,lg_prof_sample:" + std::to_string(lg_period)};
  } else {
    options.environment = {"LD_PRELOAD=libtcmalloc.so.4"};
  }
  const Finished finished = run(leaks.program, {leaks.before, leaks.after}, options);
  if (finished.status != 0) throw std::runtime_error("known_leaks: " + finished.error);
  std::istringstream lines(finished.out);
  for (KnownLeak leak; lines >> leak.function >> leak.requested >> leak.usable >> leak.blocks;) {
    leaks.truth.push_back(leak);
  }
}

double found(const ReadProfile& profile, const std::string& function, const std::string& type) {
  std::size_t column = 0;
  while (profile.sample_types.at(column).type != type) ++column;
  std::vector<bool> is_in(profile.locations.size() + 1);
  for (const auto& location : profile.locations) {
    for (const auto& line : location.lines) {
      if (profile.functions[line.function - 1].name.ends_with("::" + function)) is_in[location.id] = true;
    }
  }
  double sum = 0;
  for (const auto& sample : profile.samples) {
    for (const std::uint64_t location : sample.locations) {
      if (!is_in[location]) continue;
      sum += static_cast<double>(sample.values[column]);
      break;
    }
  }
  return sum;
}

ReadProfile converted(const std::string& dump, const std::string& output) {
  const Finished finished = run(HEAP2PPROF, {dump, "-o", output});
  if (finished.status != 0) throw std::runtime_error("heap2pprof: " + finished.error);
  return read_pprof(read_text(output));
}

}  // namespace plateau::testing
