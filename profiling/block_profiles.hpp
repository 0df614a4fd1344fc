// Profiles of how blocks end, by the stack that allocated them: as the sampler in front of malloc sees it.
#pragma once

#include "profiling/profile.hpp"

namespace plateau {

// Blocks by how long they lived. Sample types: objects (count), space (bytes), lifetime (nanoseconds, the sum over the
// objects). Label `lifetime`: "under 1 ms" and other powers of ten; label `state`: "freed", or "alive", whose lifetime
// is that until now: it is censored, and no end is known. Blocks that live and were never sampled are not in it, as in
// every sampled profile. Throws ProfileUnavailable where the sampler is not in front of malloc, and std::bad_alloc.
// Thread-safe.
Profile lifetimes_profile();

// Blocks that another thread freed than allocated them. Sample types: objects (count), space (bytes). Labels `from` and
// `to`: the threads, by name and number; a name is the one that the thread had when this function or the next saw
// it last, and "ended" where they never did. As lifetimes_profile().
Profile crossfree_profile();

// Keeps the names of the threads that live now for crossfree_profile(). Throws std::bad_alloc. Thread-safe. Cost: some
// microseconds a thread.
void remember_thread_names();

// Blocks that the thread which allocated them freed before 1000 further allocations of its own: what belongs in an
// arena, or on the stack. Sample types: objects (count), space (bytes). Label `within`: "10 allocations" and other
// powers of ten; "1 allocation" has made none in between. As lifetimes_profile().
Profile temporaries_profile();

}  // namespace plateau
