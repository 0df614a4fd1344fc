#include "leakdemo/leaks/leak.hpp"

#include <algorithm>

namespace plateau::leakdemo {

std::string_view to_string(LeakKind kind) {
  switch (kind) {
    case LeakKind::unreachable:
      return "unreachable";
    case LeakKind::reachable:
      return "reachable";
    case LeakKind::outside_heap:
      return "outside the heap";
    case LeakKind::no_leak:
      return "no leak";
  }
  return "unknown";
}

const Leak* find_leak(std::string_view name) {
  const auto found =
      std::find_if(all_leaks.begin(), all_leaks.end(), [name](const Leak* leak) { return leak->name == name; });
  return found == all_leaks.end() ? nullptr : *found;
}

}  // namespace plateau::leakdemo
