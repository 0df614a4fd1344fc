// The program's own mappings and who made them, as interpose_mappings.cpp and interpose_threads.cpp record them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "profiling/sampler/mapped_memory.hpp"
#include "profiling/sampler/range_table.hpp"

namespace plateau::sampler {

// Whether the process wants its mappings recorded. Asked once, at the first call that maps anything, which may be
// before any constructor and within an allocator's first steps: it neither allocates nor locks. Defined by the library
// that the sampler is part of.
bool wants_mappings() noexcept;

// Whether what `caller`, a return address, does with mappings is recorded: not while nobody wants it, and not what the
// allocator does, whose mappings are its own affair. One load where nothing is recorded. Async-signal-safe.
bool records_mappings_of(const void* caller) noexcept;

// Whether anybody's are.
bool records_mappings() noexcept;

// Nothing is recorded from then on, and what was is forgotten.
void stop_recording_mappings() noexcept;

// The functions below are async-signal-safe, allocate nothing, and call the kernel only to wait for another thread that
// is in the middle of them. That wait has an end: a holder that never lets go (a thread of the parent's in a forked
// child, a signal's handler that left by longjmp) ends the recording, and not the program.

// What finds no place is not recorded.
void add_range(const Range& range) noexcept;
void remove_range(std::uintptr_t start, std::uintptr_t limit) noexcept;
// Removes the range, and returns what was known of its first address.
std::optional<Range> take_range(std::uintptr_t start, std::uintptr_t limit) noexcept;
// See MappedMemoryInterface.
std::size_t read_ranges(MappedRange* out, std::size_t capacity) noexcept;

// The number of the calling thread's stack from `caller` on.
std::uint32_t mapping_stack(const void* caller) noexcept;

}  // namespace plateau::sampler
