// A fix as the rest of the harness knows it: its name and what is said of it.
#pragma once

#include <string_view>

namespace plateau::harness {

struct Fix {
  std::string_view name;
  std::string_view sentence;
  std::string_view when_switched = {};  // in a running service: what is lost, or when it takes effect
};

// A fix that sounds right and fails; `reason` says why, `hours` how long it must run for that to show.
struct WrongFix {
  std::string_view name;
  std::string_view sentence;
  std::string_view reason;
  double hours = 24;
};

}  // namespace plateau::harness
