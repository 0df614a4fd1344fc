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
// they were loaded. Build ids are read from memory, and so are right even when the file was replaced since. Code that
// was not loaded from a file (JIT) is not in it; the vdso is, as "[vdso]". Thread-safe; some microseconds an object.
std::vector<Mapping> process_mappings();

// A line of /proc/PID/maps, or of the same text in a profile: nothing when it is not one of executable memory with a
// name. The build id stays empty.
std::optional<Mapping> executable_mapping(std::string_view line);

// The build id of an ELF file in lower-case hex; empty when it cannot be read or has none.
std::string build_id_of_file(const std::string& path);
std::string build_id_of(Elf* elf);

// Sets the build ids that are empty from the files as they are now; a mapping whose file cannot be read keeps none.
void read_build_ids(std::vector<Mapping>& mappings);

}  // namespace plateau
