// The footprint in one sentence: whose the memory is, whether it grows, and which setting helps, if any does.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "profiling/footprint.hpp"

namespace plateau {

// A setting that may give memory back here.
struct Knob {
  std::string name;         // as typed: "MALLOC_ARENA_MAX=2 (restart)"
  std::uint64_t bytes = 0;  // about, of RSS
};

// By what they give here, the most first; none that gives less than a hundredth of RSS.
std::vector<Knob> knobs_of(const Footprint& footprint);

// What the part is called here: an interpreter's heap by what the interpreter calls it, "CPython's arenas".
std::string shown_name(const Footprint& footprint, const WaterfallPart& part);

// "97 % live blocks, +3.6 MB/s: the program holds it; no setting of the allocator helps". Plateau's own memory is never
// its subject.
std::string verdict(const Footprint& footprint);

}  // namespace plateau
