// The fixes of this lab. Each right one is a pair in fixes/, in a file of its name.
#pragma once

#include <array>

#include "labs/harness/fix_table.hpp"

namespace plateau::order_batch {

// The halves of the pairs that a batch works with, and the wrong fixes that are tried on it.
struct Fixes {
  bool workers = false;
  bool group_commit = false;
  bool limiter = false;
  bool backpressure = false;
  bool ownership = false;

  bool unbounded_queue = false;
  bool workers_x10 = false;
  bool burst_infinite = false;
  bool narenas_1 = false;
  bool acknowledge_first = false;
};

inline constexpr auto right_fixes = std::to_array<harness::FixRow<Fixes>>({
    {"workers", "orders overlap in a pool whose size follows from what an order waits and computes", &Fixes::workers,
     harness::FixScope::process, "when the service is started"},
    {"group_commit", "many orders in one transaction, bounded by count and time", &Fixes::group_commit,
     harness::FixScope::process, "when the service is started"},
    {"limiter", "a token bucket keeps what is sent within the partner's contract", &Fixes::limiter,
     harness::FixScope::process, "when the service is started"},
    {"backpressure", "orders in flight are bounded by their bytes, and the reader waits", &Fixes::backpressure,
     harness::FixScope::process, "when the service is started"},
    {"ownership", "an order's memory is an arena that travels with it and goes back whole to the thread that owns it",
     &Fixes::ownership, harness::FixScope::process, "when the service is started"},
});

inline constexpr auto wrong_fixes = std::to_array<harness::WrongFixRow<Fixes>>({
    {"unbounded-queue", "all fixes, and a queue without an end in place of backpressure: the reader never waits",
     "the reader is faster than the partner, so the whole batch waits in memory; under a limit in which the bounded "
     "queue has room, the kernel kills",
     &Fixes::unbounded_queue},
    {"workers-x10", "workers and group commit, and ten times as many workers as the law says",
     "what limits is the partner's contract and the CPU, not the number of threads: the rest are stacks, connections "
     "and "
     "switches, and the partner refuses what they send too fast",
     &Fixes::workers_x10},
    {"burst-infinite", "all fixes, and a limiter whose burst is the whole batch, as 2 x qps is for a batch of seconds",
     "the bucket begins full, so nothing is limited until the batch is over: the partner is overrun and refuses",
     &Fixes::burst_infinite},
    {"narenas-1", "all fixes but ownership, on narenas:1, so that who frees uses the arena of who allocated",
     "it changes where a block goes back to and not who frees it: foreign frees are as many as before, one block at a "
     "time; what is new is one lock for all threads, for which two cores hardly contend",
     &Fixes::narenas_1},
    {"acknowledge-first",
     "all fixes, and an order is acknowledged when the partner has accepted it, and recorded later",
     "it takes the commit out of the wait, and whoever is killed in between has acknowledged what no store knows",
     &Fixes::acknowledge_first},
});

inline constexpr harness::FixTable<Fixes> fix_table(right_fixes, wrong_fixes);

// The wrong fixes are tried on a batch that has what they stand beside.
constexpr Fixes with_what_goes_along(Fixes fixes) {
  const bool on_all = fixes.unbounded_queue || fixes.burst_infinite || fixes.acknowledge_first || fixes.narenas_1;
  if (on_all || fixes.workers_x10) fixes.workers = fixes.group_commit = true;
  if (on_all) {
    fixes.limiter = true;
    fixes.backpressure = !fixes.unbounded_queue;
    fixes.ownership = !fixes.narenas_1;
  }
  return fixes;
}

}  // namespace plateau::order_batch
