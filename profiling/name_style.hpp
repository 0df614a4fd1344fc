// How much of a function's name is shown.
#pragma once

namespace plateau {

// How much of "void std::vector<int, std::allocator<int> >::f<char>(unsigned long)" is shown.
enum class NameStyle {
  brief,      // "std::vector::f", as pprof shows names: all instances of a template are one
  templates,  // "std::vector<int, std::allocator<int> >::f<char>"
  full        // all of it
};

}  // namespace plateau
