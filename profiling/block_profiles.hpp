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
// `to`: the threads, by name and number. As lifetimes_profile().
Profile crossfree_profile();

}  // namespace plateau
