// Whose the resident pages of this process are: every mapping that the kernel lists is divided among the allocator, the
// program, its threads, files and Plateau itself.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "profiling/program_mappings.hpp"

namespace plateau {

// Resident bytes, each page in one figure only. Pages that were given back by MADV_FREE are in none.
struct ResidentMemory {
  // An arena of glibc's.
  struct Arena {
    std::uint64_t told_in_use_bytes = 0;  // in blocks, and in caches of threads; resident or not
    std::uint64_t in_use_bytes = 0;       // of those: resident, at most
    std::uint64_t free_bytes = 0;         // resident
    std::uint64_t trimmed_bytes = 0;      // free, and not resident: given back, or never touched
    std::uint64_t trimmable_bytes = 0;    // of free_bytes: what malloc_trim would give back, about
    std::uint64_t top_bytes = 0;          // of free_bytes: at the end, at most
    std::uint64_t large_bytes = 0;        // of free_bytes: in free blocks of 128 KiB and more, at most
    bool is_main = false;
  };

  std::vector<Arena> arenas;                // of glibc's; empty where another allocator serves malloc
  std::optional<std::uint64_t> heap_bytes;  // all of the allocator's, where its memory can be told from others'
  std::uint64_t large_block_bytes = 0;      // glibc's blocks with a mapping of their own
  std::uint64_t untold_bytes = 0;  // anonymous, and nobody's that is known: the allocator's too, without heap_bytes
  std::uint64_t apart_bytes = 0;   // the same, and certainly not the allocator's
  std::uint64_t data_bytes = 0;    // written pages of programs and libraries
  std::uint64_t mapped_bytes = 0;  // by the program, as the agent or the sampler saw; private
  std::uint64_t interpreter_bytes = 0;  // mapped by the interpreter that the program is, as was seen; private
  std::uint64_t stack_bytes = 0;        // of threads
  std::uint64_t own_bytes = 0;          // Plateau's: tables, stacks of its threads, its libraries' pages
  std::uint64_t own_file_bytes = 0;     // of those: pages of files
  std::uint64_t swapped_bytes = 0;      // not resident
  std::uint64_t locked_bytes = 0;       // mlock
  std::uint64_t huge_page_bytes = 0;
  std::uint64_t lazily_freed_bytes = 0;
  std::uint64_t threads = 0;                      // of the program's
  std::optional<std::uint64_t> page_table_bytes;  // not in RSS
  std::string interpreter;                        // "python3", where the program is one; else empty
  std::string interpreter_file;                   // "python3.11"
};

// Of this moment; nothing where the kernel has no smaps. Thread-safe. Throws std::bad_alloc. Cost: that of
// own_memory_maps() and glibc_arenas(), and a system call for each part of a mapping that belongs to somebody else.
std::optional<ResidentMemory> resident_memory(std::span<const ProgramMapping> mappings);

}  // namespace plateau
