// Text that came from other programs, for formats that must be UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace plateau {

bool is_utf8(std::string_view text);

// Returns `text` with U+FFFD in place of each byte that is no part of a character: names of threads are bytes, and so
// are paths.
std::string as_utf8(std::string_view text);

}  // namespace plateau
