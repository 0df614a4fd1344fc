// How a program will allocate, found out before it starts: from its file, the libraries that the loader will load, and
// its symbols.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "allocators/heap.hpp"

namespace plateau {

// Why LD_PRELOAD does not reach a program.
enum class OutOfReach { no, no_elf, other_machine, is_static, other_libc, privileged };

struct ProgramFile {
  std::string path;     // of the file that execve() gets
  std::string program;  // the ELF file behind it: an interpreter's, where `path` is a script
  OutOfReach out_of_reach = OutOfReach::no;
  AllocatorKind allocator = AllocatorKind::glibc;
  std::string library;                // that has it; empty: glibc, or in the program itself
  std::optional<std::string> prefix;  // of a jemalloc in the program itself: "je_", or empty

  bool is_script() const { return path != program; }
  std::string name() const { return program.substr(program.rfind('/') + 1); }
};

// Whether a program of this name only starts others, and has no memory worth a look.
bool is_shell(std::string_view name);

// Looks `name` up in PATH as execvp does, and follows `#!` lines, through `env` as well. Throws CommandError with the
// status that env(1) gives: 127 when there is no such program, 126 when it cannot be executed. Runs the loader with
// --list, which executes nothing of the program.
ProgramFile find_program(const std::string& name);

}  // namespace plateau
