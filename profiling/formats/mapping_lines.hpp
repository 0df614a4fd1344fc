// The lines behind a profile that say what is mapped where, in the ways of all who write such text.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "profiling/profile.hpp"

namespace plateau {

//   00400000-00500000 r-xp 00001000 08:01 1    /bin/service     /proc/PID/maps
//   0x400000-0x500000: /bin/service (@1000) 1f2e3d              google/pprof's brief form; offset and build id optional
//   build=/srv/builds                                           "$build" in later lines is this
//
// Not thread-safe.
class MappingLines {
 public:
  static constexpr std::size_t most_variables = 100;

  // Nothing when the line is not one of executable memory with a name.
  std::optional<Mapping> read(std::string_view line);

 private:
  void define(std::string_view line);
  std::string expanded(std::string_view line) const;

  std::vector<std::pair<std::string, std::string>> variables_;  // "$build" and its text
};

}  // namespace plateau
