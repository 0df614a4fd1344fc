// A flame graph in one file, which any browser shows without a server or a network.
#pragma once

#include <ostream>
#include <string_view>

#include "profiling/formats/call_tree.hpp"

namespace plateau {

// Callers above callees, siblings by name, width by value. A click zooms, Ctrl-F searches. Frames of less than a
// ten-thousandth of the whole are left out, and so is what is not positive (of a difference: only what grew is drawn).
void write_flame_svg(const CallTree& tree, std::string_view title, std::string_view unit, std::ostream& out);

// The same within a page.
void write_flame_html(const CallTree& tree, std::string_view title, std::string_view unit, std::ostream& out);

}  // namespace plateau
