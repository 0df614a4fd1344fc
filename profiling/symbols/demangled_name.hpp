// Mangled names of C++ and of Rust, in both of its manglings.
#pragma once

#include <optional>
#include <string>

#include "profiling/symbols/function_name.hpp"

namespace plateau {

// Returns the name as `style` shows it; nothing when `symbol` is not mangled, or in a way that is not known. Rust's
// names come without their hash. Thread-safe; some microseconds.
std::optional<std::string> demangled_name(const char* symbol, NameStyle style);

// The same for text that may be mangled, demangled already, or a plain name.
std::string shown_name(const std::string& name, NameStyle style);

}  // namespace plateau
