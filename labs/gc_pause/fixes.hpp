// The fixes of this lab. Each right one is a pair in fixes/, in a file of its name.
#pragma once

#include <array>

#include "labs/harness/fix_table.hpp"

namespace plateau::gc_pause {

// The halves of the pairs that a service works with, and the wrong fixes that are tried on it.
struct Fixes {
  bool decay = false;
  bool limit = false;
  bool values = false;
  bool events = false;
  bool generations = false;

  bool more_threads = false;
  bool decay_never = false;
  bool narenas_1 = false;
  bool trim_often = false;
};

inline constexpr auto right_fixes = std::to_array<harness::FixRow<Fixes>>({
    {"decay", "unused pages are kept up to a share of the live heap, and purged in the background (as GOGC)",
     &Fixes::decay, harness::FixScope::process},
    {"limit", "a soft limit below the kernel's, near which caches and unused pages are given up (as GOMEMLIMIT)",
     &Fixes::limit, harness::FixScope::process},
    {"values", "the user of a request is a value on the stack, not objects on the heap", &Fixes::values},
    {"events", "events are recycled: the attribute map is cleared and used again", &Fixes::events},
    {.name = "generations",
     .sentence = "each generation lives in an arena of its own and is dropped in O(blocks)",
     .flag = &Fixes::generations,
     .when_switched = "for generations that begin after it is switched"},
});

inline constexpr auto wrong_fixes = std::to_array<harness::WrongFixRow<Fixes>>({
    {"more-threads", "four threads take an expired generation apart, and the request waits for them",
     "the work is the same, the kernel's page-table lock is one, and they take the CPUs from other requests",
     &Fixes::more_threads},
    {"decay-never", "dirty_decay_ms:-1, no page is ever given back",
     "each generation leaves its pages in the arena that filled it, and the next one is filled from another",
     &Fixes::decay_never},
    {"narenas-1", "narenas:1, one arena for all threads",
     "the frees and the madvise calls are as many as before, and now all threads wait for one arena's lock",
     &Fixes::narenas_1},
    {"trim-often", "the whole heap is purged ten times a second, from a thread beside the requests",
     "purging gives back pages that are free; the pause is made by freeing, which gives them back at once, and leaves "
     "nothing to purge",
     &Fixes::trim_often},
});

inline constexpr harness::FixTable<Fixes> fix_table(right_fixes, wrong_fixes);

}  // namespace plateau::gc_pause
