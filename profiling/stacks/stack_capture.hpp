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
// walked as well. Neither locks nor allocates (glibc's _dl_find_object), unless code was registered by
// __register_frame, as some JIT compilers do. About 0.1 us a frame the first time.
//
// On x86-64 a stack that was there before takes a few nanoseconds a frame. How each frame is left is remembered, and
// the walk repeated by that; what it finds counts only if the unwind tables have given that very stack before. This is
// for threads on the stacks that the C library gave them; coroutines with stacks of their own are walked by the tables.
// Thread-safe; memory for what is remembered is bounded (0.5 MiB), and beyond it stacks are walked by the tables.
std::span<const std::uintptr_t> capture_stack(CapturedFrames& frames, const void* caller);

}  // namespace plateau
