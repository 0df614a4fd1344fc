// Who holds the heap: a row for each function of the program's own, with what was allocated for it, how much of that is
// still alive, and whether it grows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "profiling/profile.hpp"
#include "profiling/symbolizer.hpp"

namespace plateau {

// The nearest function to an allocation that is neither the allocator's nor a library's of templates (std::, and code
// of headers under /usr/include): those are folded into it.
//
// A helper would lump together all for whom it makes blocks: it fills no container itself, and what it made and is
// alive is of two callers at least, each with three samples, none of whom has nine tenths. Each caller then has a row,
// of what it has through the helper; the same is asked of that caller again, three steps up at most.
struct HolderRow {
  std::string function;
  std::string place;        // "retry.cpp:41" of its call; empty: not known
  std::string callers;      // "Bus::publish < Session::read": the next of the program's own; may be empty
  std::string insertion;    // "std::map::emplace", when it fills a container; else empty
  std::string through;      // "text", a helper that allocates for it and for others, see below; else empty
  double made_objects = 0;  // since recording began
  double made_bytes = 0;
  double alive_objects = 0;
  double alive_bytes = 0;
  double grown_objects = 0;  // in the span between the two profiles
  double grown_bytes = 0;
  double samples = 0;         // alive ones, about: how many blocks these figures rest on
  double growth_samples = 0;  // recorded in the span, about

  // 1: all that it made is alive.
  double survival() const { return made_objects > 0 ? alive_objects / made_objects : 0; }
};

enum class Bounded { unknown, yes, no };

struct Holders {
  std::vector<HolderRow> rows;  // by growth, then by what is alive; the largest first
  // Of the rows: who probably holds what grows, which may be another than who allocates most of it.
  std::optional<std::size_t> probable;
  double seconds = 0;       // between the two profiles; 0: there is one only, and nothing is known of growth
  bool tells_made = false;  // false: the profiler forgets what was freed (jemalloc without prof_accum)
  std::int64_t period = 0;  // bytes between two samples; 1: every block
  double alive_bytes = 0;   // in all
  double grown_bytes = 0;

  // Whether a row's growth in the span is more than the samples' error: too few say nothing.
  Bounded bounded(const HolderRow& row) const;
};

// Sums up `later`, a heap profile, and its difference to `earlier`, of the same run, so many seconds before; without
// `earlier` there is no growth. Throws std::bad_alloc, and std::invalid_argument when the two do not fit. Costs a
// look-up of each address.
Holders find_holders(const Profile& later, const Profile* earlier, double seconds, Symbolizer& symbolizer);

// A sentence, and the first `rows` of the table; `title` says whose it is. Too few samples are said, with what to do.
std::string to_text(const Holders& holders, const std::string& title, std::size_t rows = 15);
// {"headline": the sentence, "seconds", "period", "alive_bytes", "probable": INDEX|null, "note": TEXT|null,
// "functions": [{"function", …}, …]}
std::string to_json(const Holders& holders);

// "only 2 samples: wait 60 s, or a period of 64k (PLATEAU_SAMPLE_PERIOD=64k)"; empty where there are enough.
std::string too_few_samples(const Holders& holders);

}  // namespace plateau
