// What of a process's memory is the program's, beside what serves it.
#pragma once

#include <string_view>
#include <vector>

#include "profiling/host/own_objects.hpp"

namespace plateau {

// The ranges that text of /proc/PID/maps lists, without `ours`, which may overlap any of them.
std::vector<AddressRange> ranges_without(std::string_view maps, std::vector<AddressRange> ours);

// The program's ranges of this process: without tables, stacks, files and objects of this library's, and without what
// the heaps of service threads have reserved and not used (glibc: 64 MiB each). What they use of it counts as the
// program's. Empty when the maps cannot be read. Opens a file: for a thread with descriptors of its own.
std::vector<AddressRange> program_memory();

// Called by a service thread once, before program_memory() is asked by any: remembers where its heap is.
void note_heap_of_this_thread() noexcept;

}  // namespace plateau
