#include "profiling/formats/utf8_text.hpp"

#include <cstddef>

#include <boost/nowide/utf/utf.hpp>

namespace plateau {
namespace {

// The length of the character that `text` begins with; 0 when it is none.
std::size_t character(std::string_view text) {
  namespace utf = boost::nowide::utf;
  if (static_cast<unsigned char>(text[0]) < 0x80) return 1;
  const char* end = text.data();
  const utf::code_point one = utf::utf_traits<char>::decode(end, text.data() + text.size());
  if (one == utf::illegal || one == utf::incomplete) return 0;
  return static_cast<std::size_t>(end - text.data());
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = character(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string as_utf8(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t size = character(text);
    result += size == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(0, size);
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return result;
}

}  // namespace plateau
