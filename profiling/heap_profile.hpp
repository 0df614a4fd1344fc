// The shape that every heap profile has, whoever recorded it: so that any two can be compared and subtracted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "profiling/profile.hpp"

namespace plateau {

// The order of the values of a sample.
enum class HeapColumn : std::size_t { alloc_objects, alloc_space, inuse_objects, inuse_space };

using HeapValues = std::array<std::int64_t, 4>;  // by HeapColumn

// An empty heap profile of four sample types, `inuse_space` shown first, allocation functions hidden. `period` is the
// mean number of bytes between two samples; 0 or 1 when every allocation was recorded.
Profile heap_profile(std::int64_t period);

// Begins the comment of profiles in which what was freed stays counted as allocated, though nothing may have been
// freed.
inline constexpr std::string_view counts_frees_comment = "sampled in front of malloc";

// Gives the code of allocators' shared libraries a name, by which pprof hides what of it has no symbol, as it hides
// malloc: distributions strip them.
void name_allocator_code(std::vector<Mapping>& mappings);

struct HeapCount {
  std::int64_t objects = 0;
  std::int64_t bytes = 0;
};

// What was allocated, from what was sampled: `sampled` blocks of one stack, chosen by a Poisson process over bytes with
// a mean of `period` bytes between two choices. A block of b bytes is chosen with probability 1 - exp(-b / period); the
// mean size stands for all blocks. Source: google/pprof's doc/heapprofile, tcmalloc's design ("Sampling").
// A period of 1 or less changes nothing, and nor do counts that have no mean size (bytes without objects, one of the
// two below 0); counts that are both below 0 become the opposite of what those above 0 become. Throws
// std::overflow_error when the result does not fit.
HeapCount unsampled(HeapCount sampled, std::int64_t period);

}  // namespace plateau
