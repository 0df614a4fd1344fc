// What libplateau_sampler.so shows of memory that no malloc has given out: anonymous mappings that the program made
// itself, and stacks of threads; each with the stack that made it. C functions behind one symbol, as in interface.hpp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace plateau::sampler {

struct MappedRange {
  std::uintptr_t start = 0;
  std::uintptr_t limit = 0;
  const std::uintptr_t* frames = nullptr;  // of whoever made it: leaf first, return addresses; never freed
  std::size_t depth = 0;
  bool is_thread_stack = false;
};

struct MappedMemoryInterface {
  static constexpr const char* symbol =
      "plateau_mapped_memory";  // const MappedMemoryInterface* plateau_mapped_memory()

  // Copies up to `capacity` ranges, and gives how many there are. The caller must not map memory meanwhile: it asks
  // for the number first.
  std::size_t (*read)(MappedRange* ranges, std::size_t capacity);
};

}  // namespace plateau::sampler
