// The stack of the calling thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace plateau {

inline constexpr std::size_t deepest_capture = 128;  // frames
using CapturedFrames = std::array<std::uintptr_t, deepest_capture>;

// The stack from the frame that returns to `caller` outwards, leaf first, as return addresses; the innermost frames of
// a deeper one. By the unwind tables that C++ programs carry for exceptions, so that code without frame pointers is
// walked as well; neither locks nor allocates (glibc's _dl_find_object). About 0.1 us a frame. Thread-safe.
std::span<const std::uintptr_t> capture_stack(CapturedFrames& frames, const void* caller);

}  // namespace plateau
