// Files that people feed by mistake, called by their names.
#pragma once

#include <string>
#include <string_view>

namespace plateau {

// Names the file that begins with `beginning` and is no heap profile in text: "a contention profile (…); pprof reads
// it". Empty when that is not known.
std::string other_profile(std::string_view beginning);

// Whether `beginning` can only be binary: it has characters that no text has.
bool is_binary(std::string_view beginning);

}  // namespace plateau
