// Gzip of what is whole in memory.
#pragma once

#include <string>
#include <string_view>

namespace plateau {

// `level` as zlib's: 1 is the least effort, 9 the most. Throws std::bad_alloc.
std::string gzipped(std::string_view data, int level);

// Throws std::runtime_error when it is not gzip, or cut short.
std::string gunzipped(std::string_view data);

}  // namespace plateau
