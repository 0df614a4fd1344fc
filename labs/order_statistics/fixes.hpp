// The fixes of this lab. Each right one is a pair in fixes/, in a file of its name.
#pragma once

#include <array>

#include "labs/harness/fix_table.hpp"

namespace plateau::order_statistics {

// The halves of the pairs that a service works with, and the wrong fixes that are tried on it.
struct Fixes {
  bool index = false;
  bool partial_index = false;
  bool covering_index = false;
  bool range = false;
  bool wal = false;
  bool local_cache = false;
  bool incremental = false;
  bool stream = false;

  bool limit_offset = false;
  bool cache_everything = false;
  bool no_jitter = false;
};

inline constexpr std::string_view at_the_start = "when the service is started";

inline constexpr auto right_fixes = std::to_array<harness::FixRow<Fixes>>({
    {"index", "an index on created_at", &Fixes::index, harness::FixScope::process, at_the_start},
    {"partial_index", "an index of the active orders alone, on created_at and status", &Fixes::partial_index,
     harness::FixScope::process, at_the_start},
    {"covering_index", "an index on created_at and total_amount, so that the table itself is not read",
     &Fixes::covering_index, harness::FixScope::process, at_the_start},
    {"range", "the query asks for the month that is wanted, and not for everything since 2024", &Fixes::range,
     harness::FixScope::process, at_the_start},
    {"wal", "a write-ahead log, so that who reads and who writes do not wait for each other", &Fixes::wal,
     harness::FixScope::process, at_the_start},
    {"local_cache", "answers are kept for a stated time, weighed in bytes, and one client at a time asks for each",
     &Fixes::local_cache, harness::FixScope::process, at_the_start},
    {"incremental", "a roll-up by day, which whoever writes an order keeps in the same transaction",
     &Fixes::incremental, harness::FixScope::process, at_the_start},
    {"stream", "rows are consumed as they come, and no result set is kept in memory", &Fixes::stream,
     harness::FixScope::process, at_the_start},
});

inline constexpr auto wrong_fixes = std::to_array<harness::WrongFixRow<Fixes>>({
    {"limit-offset", "covering index, range, wal and stream, and the orders come in pages of LIMIT and OFFSET",
     "a page begins by reading all that the pages before it have read: n pages cost n squared over two, where the one "
     "query costs n",
     &Fixes::limit_offset},
    {"cache-everything",
     "covering index, range and wal, and the orders of every month that was asked for stay in "
     "memory",
     "what is asked for are 31 rows, and what is kept are 125,000 orders with their notes: some months are more than "
     "the "
     "limit, and the kernel kills",
     &Fixes::cache_everything},
    {"no-jitter", "all fixes but incremental, and a cache whose entries live equally long, without single flight",
     "entries that were loaded together expire together, and then every client asks the store for the same answer: "
     "most queries in flight for one question are as many as clients",
     &Fixes::no_jitter},
});

inline constexpr harness::FixTable<Fixes> fix_table(right_fixes, wrong_fixes);

// The wrong fixes are tried on a service that has what they stand beside.
constexpr Fixes with_what_goes_along(Fixes fixes) {
  if (fixes.limit_offset || fixes.cache_everything || fixes.no_jitter) {
    fixes.covering_index = fixes.partial_index = fixes.range = fixes.wal = true;
    fixes.stream = fixes.limit_offset || fixes.no_jitter;
    fixes.local_cache = fixes.no_jitter;
  }
  return fixes;
}

}  // namespace plateau::order_statistics
