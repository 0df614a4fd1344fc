// Names of functions as people read them.
#pragma once

#include <string>
#include <string_view>

namespace plateau {

// A demangled C++ name without its parameters, template arguments, return type and ABI tags, as pprof shows names:
// "std::vector<int, std::allocator<int> >::resize(unsigned long)" is "std::vector::resize". Other names stay as they
// are.
std::string short_name(std::string_view demangled);

}  // namespace plateau
