// Purges as pauses: who was made to give memory back.
#pragma once

#include "allocators/heap.hpp"

namespace plateau {

// Starts PurgeTrace, and records every purge of a thread of the program in PauseProfile::process() under the stack that
// set it off; purges of background threads are left out. Fails, with the reason, as PurgeTrace::start does.
//
// A pause is a burst (PurgeBurst), its length is the time in the calls, and what it freed are their bytes. A stack
// costs 0.1 us a frame, so one is taken at the start of a burst and then once a millisecond:
// within a burst time and bytes go to the stack that was seen last, exact to that millisecond.
HeapReply record_purge_pauses();

}  // namespace plateau
