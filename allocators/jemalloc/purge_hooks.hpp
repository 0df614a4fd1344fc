// Internal to the purge trace: extent hooks that time every call by which jemalloc gives pages back, in front of those
// that an arena has. They run inside jemalloc, with locks held, before main and after it: no lock, no allocation.
#pragma once

#include <jemalloc/jemalloc.h>  // for extent_hooks_t; the functions are looked up in what is loaded

#include <cstddef>

#include "allocators/jemalloc/control.hpp"
#include "allocators/purge_trace.hpp"

namespace plateau::purge_hooks {

inline constexpr std::size_t most_arenas = jemalloc::all_arenas;

EventRing<PurgeEvent>& events();  // made at the first call, which must come before the first hook's

// To put before what an arena has now; one set of hooks serves all arenas. `found_default`: those are jemalloc's own,
// that is_of_jemalloc and leave_out_what_fails have seen.
extent_hooks_t* before(unsigned arena, extent_hooks_t* found, bool found_default);
bool is_ours(const extent_hooks_t* found);
// What an arena had before ours; null: it never had ours.
extent_hooks_t* original(unsigned arena);

bool is_of_jemalloc(const extent_hooks_t* found);
// Drops hooks that jemalloc's own always reject, so that it skips those calls. Throws std::bad_alloc.
void leave_out_what_fails(extent_hooks_t* found);

PurgeTraceTotals totals();
PurgeTotals totals_of_this_thread() noexcept;
void set_observer(PurgeObserver* called);
void this_thread_is_background() noexcept;
// The calling thread has another number now: a forked child's.
void forget_this_thread() noexcept;

}  // namespace plateau::purge_hooks
