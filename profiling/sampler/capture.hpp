// The stack of the calling thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "profiling/sampler/stack_table.hpp"

namespace plateau::sampler {

// The stack from the frame that returns to `caller` outwards, leaf first, as return addresses; of at most as many
// frames as fit. By the unwind tables that C++ programs carry for exceptions, so that code without frame pointers is
// walked as well; neither locks nor allocates (glibc's _dl_find_object). Costs about 0.1 us a frame.
std::span<const std::uintptr_t> capture_stack(std::array<std::uintptr_t, StackTable::max_depth>& frames,
                                              const void* caller);

}  // namespace plateau::sampler
