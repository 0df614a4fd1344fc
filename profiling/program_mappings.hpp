// Memory that no malloc has given out: mappings that the program made itself (anonymous, shared, of files), what it
// took by brk, and stacks of its threads, each with the stack that made it. The agent and libplateau_sampler.so stand
// in front of mmap, munmap, mremap, brk and sbrk, and the latter of pthread_create, and see them come and go; what is
// mapped by other ways (shmat, calls of the kernel itself) is not known.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace plateau {

struct ProgramMapping {
  std::uint64_t resident_bytes = 0;
  std::span<const std::uintptr_t> stack = {};  // leaf first, return addresses; valid for ever, the same for the same
  bool is_thread_stack = false;
  bool is_shared = false;  // shared anonymous memory, or a file of tmpfs (memfd, /dev/shm)
  bool is_file = false;    // any other file
  std::uintptr_t start = 0;
  std::uintptr_t limit = 0;
  bool is_interpreters = false;  // anonymous memory of the interpreter that the program is: of its own heap
};

// Of this moment, those with resident pages; empty where neither is loaded. Thread-safe. Throws std::bad_alloc.
// Cost: a system call for each mapping, and one for each 256 MiB of a large one.
std::vector<ProgramMapping> program_mappings();

}  // namespace plateau
