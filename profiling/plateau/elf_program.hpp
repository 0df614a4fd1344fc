// What one ELF file says of itself before it is executed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "allocators/heap.hpp"

namespace plateau {

struct ElfProgram {
  bool is_of_this_machine = false;                // as this program is: 64 bits, the same processor
  std::string loader;                             // PT_INTERP; empty: linked statically
  AllocatorKind inside = AllocatorKind::unknown;  // an allocator among its own functions
  std::string prefix;                             // of that, where it is jemalloc
};

// Nothing when it is no ELF file, or cannot be read.
std::optional<ElfProgram> read_elf_program(const std::string& path);

// The files of all libraries that `loader` would load for it, those of LD_PRELOAD among them; empty when it does not
// say.
std::vector<std::string> libraries_of(const std::string& loader, const std::string& path);

}  // namespace plateau
