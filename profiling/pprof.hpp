// Profiles as pprof reads them: gzipped profile.proto (github.com/google/pprof/blob/main/proto/profile.proto).
#pragma once

#include <chrono>
#include <string>

#include "profiling/profile.hpp"

namespace plateau {

class Symbolizer;

struct EncodeOptions {
  // The time that one profile may take for lines and inlined frames, checked between two addresses; once it is used up,
  // the rest gets ELF symbols, and a comment says so. pprof, which waits for 60 s, would go without any.
  std::chrono::steady_clock::duration symbol_budget = std::chrono::seconds(20);
};

// The same profile and symbols give the same bytes. Functions, files, lines and inlined frames come from `symbolizer`;
// without one, only addresses and mappings are written. Throws std::bad_alloc.
std::string encode_pprof(const Profile& profile, Symbolizer* symbolizer, const EncodeOptions& options = {});

}  // namespace plateau
