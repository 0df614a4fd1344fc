// What code is mapped where: of this process, and of files.
#pragma once

#include <libelf.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "profiling/profile.hpp"

namespace plateau {

// Every executable segment of this process's program and shared objects, the program first, then in the order in which
// they were loaded; then other files that are mapped as executable (dlmopen), and code that the program made itself
// where it tells the names in /tmp/perf-PID.map. The vdso is "[vdso]". Build ids of the former are read from memory,
// and so are right even when the file was replaced since. Thread-safe; some microseconds an object.
std::vector<Mapping> process_mappings();

// The first part of it, with names as the dynamic linker has them (none for the program): without a system call.
std::vector<Mapping> linked_code();

// A line of /proc/PID/maps, or of the same text in a profile: nothing when it is not one of executable memory with a
// name. The build id stays empty; `file_is_it` is false where the kernel says that the file is gone.
std::optional<Mapping> executable_mapping(std::string_view line);

// The build id of an ELF file in lower-case hex; empty when it cannot be read or has none.
std::string build_id_of_file(const std::string& path);
std::string build_id_of(Elf* elf);

// Sets the build ids that are empty from the files as they are now, where those are the mapped ones; a mapping whose
// file cannot be read keeps none.
void read_build_ids(std::vector<Mapping>& mappings);

}  // namespace plateau
