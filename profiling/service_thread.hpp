// Threads that serve a program without being part of it.
#pragma once

#include "allocators/signals_for_others.hpp"

namespace plateau {

// Names the calling thread (at most 15 characters) and keeps its allocations out of the allocator's heap profiles where
// the allocator can do that (jemalloc). Elsewhere they show up in the profile under the functions of this library.
void become_service_thread(const char* name);

}  // namespace plateau
