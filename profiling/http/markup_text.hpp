// Text inside HTML, SVG and other XML.
#pragma once

#include <string>
#include <string_view>

namespace plateau {

// For content and for attribute values in double quotes. Control characters that XML does not allow become '?'.
std::string markup_text(std::string_view text);

}  // namespace plateau
