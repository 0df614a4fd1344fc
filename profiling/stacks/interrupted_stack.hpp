// The stack of a thread that a signal has interrupted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace plateau {

inline constexpr std::size_t deepest_interrupted_stack = 254;  // frames
using InterruptedFrames = std::array<std::uintptr_t, deepest_interrupted_stack>;

// Finds the unwinder: libgcc's, also in a program where libunwind has taken its name, since libunwind tests addresses
// by writing them into a pipe of the program's. Not async-signal-safe; to be called before a handler may run.
void prepare_interrupted_stacks();

// To be called by a signal's handler with its third argument. The instruction that was interrupted comes first, then
// return addresses outwards, by the unwind tables; code without them ends the stack. The innermost frames of a deeper
// one. Neither locks nor allocates, as capture_stack(); a microsecond and more.
std::span<const std::uintptr_t> interrupted_stack(InterruptedFrames& frames, const void* ucontext);

}  // namespace plateau
