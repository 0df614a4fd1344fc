// Fix `range`: the query asks for the month that is wanted. Before: for everything since 2024, in a text with the date
// in it, and the client throws away what it does not want.
#pragma once

#include <string>
#include <string_view>

namespace plateau::order_statistics {

// The condition on a column that holds times or dates; after, with places 1 and 2 for the first day and the one after
// the last.
inline std::string range_before(std::string_view column) {
  return std::string(column) + " >= '2024-01-01'";
}

inline std::string range_after(std::string_view column) {
  return std::string(column) + " >= ?1 AND " + std::string(column) + " < ?2";
}

}  // namespace plateau::order_statistics
