// Whatever the program of operations, the properties of the allocators hold (see operation_program.hpp): the first byte
// chooses the allocator, the rest is its program. A property that fails is an uncaught exception.
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tests/allocators/operation_program.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::array programs{plateau::run_arena_program, plateau::run_pool_program,
                                plateau::run_concurrent_pool_program, plateau::run_recycler_program};
  if (size > 0) programs[data[0] % programs.size()](std::span(data, size).subspan(1));
  return 0;
}
