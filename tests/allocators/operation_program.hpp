// Programs of operations on the allocators, read from bytes: property tests make the bytes at random, the fuzzer looks
// for those that reach something new. Beside each allocator runs a model of what must be true of it.
#pragma once

#include <cstdint>
#include <span>

namespace plateau {

// Each runs the program to its end, or throws std::logic_error that says which property failed.
//
// Checked: blocks are aligned, lie within what upstream handed out, and do not overlap (each keeps its own filling to
// its end); destructors run once, newest first; statistics agree with upstream; a failure of upstream changes nothing;
// nothing is left with upstream at the end.
void run_arena_program(std::span<const std::uint8_t> program);
void run_pool_program(std::span<const std::uint8_t> program);
void run_concurrent_pool_program(std::span<const std::uint8_t> program);
// Bounds of the recycler hold after every step, and no object is lost or handed out twice.
void run_recycler_program(std::span<const std::uint8_t> program);

}  // namespace plateau
