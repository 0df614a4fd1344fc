// Names of functions as people read them.
#pragma once

#include <string>
#include <string_view>

#include "profiling/name_style.hpp"

namespace plateau {

// A demangled C++ name without its parameters, template arguments, return type and ABI tags: as NameStyle::brief. Other
// names stay as they are.
std::string short_name(std::string_view demangled);

std::string shown_cpp_name(std::string_view demangled, NameStyle style);

// Rust's names have neither parameters nor return types, so that `templates` and `full` are one. What `brief` leaves
// out are generic arguments: "<a::Book<u64> as a::Keeps<u8>>::rows::<i32>" is "<a::Book as a::Keeps>::rows".
std::string shown_rust_name(std::string_view demangled, NameStyle style);

}  // namespace plateau
