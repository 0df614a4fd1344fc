// What the allocators do when they are used wrongly, in builds that check.
//
// PLATEAU_MISUSE_CHECKS is fixed when the library is built (on in debug builds) and reaches users through the CMake
// target and pkg-config, so that the code inlined into a program and the library agree.
#pragma once

#ifndef PLATEAU_MISUSE_CHECKS
#define PLATEAU_MISUSE_CHECKS 0
#endif

namespace plateau {

inline constexpr bool misuse_checks = PLATEAU_MISUSE_CHECKS != 0;

// Writes "plateau: <what>" to standard error and aborts: memory is about to be corrupted, and the stack is still whole.
// Neither allocates nor throws.
[[noreturn]] void report_misuse(const char* what) noexcept;

}  // namespace plateau
