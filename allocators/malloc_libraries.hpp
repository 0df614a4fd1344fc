// Whose functions serve in this process: internal to what asks the allocator.
#pragma once

#include <string>
#include <vector>

namespace plateau {

// The object file that an address is of, or "" when it is of none.
std::string object_file_of(const void* address);

// The object file that provides the symbol to this process, or "" when there is none.
std::string provider_of(const char* symbol);

// The object files that a call of malloc goes through: first those that stand in front of it, such as
// libplateau_sampler.so, and last the one that really serves. A library that stands in front has a function
// plateau_next_malloc, which gives the address of the malloc behind.
std::vector<std::string> malloc_libraries();

}  // namespace plateau
