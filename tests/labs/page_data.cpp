#include "tests/labs/page_data.hpp"

#include <cstdint>
#include <stdexcept>
#include <string_view>

#include "profiling/formats/gzip.hpp"

namespace plateau::testing {
namespace {

std::string from_base64(const std::string& text) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<std::uint32_t>(digits.find(c));
    held += 6;
    if (held >= 8) bytes += static_cast<char>(bits >> (held -= 8) & 0xff);
  }
  return bytes;
}

}  // namespace

std::string unpacked(const std::string& data) {
  return gunzipped(from_base64(data));
}

boost::json::object data_of(const std::string& page) {
  constexpr std::string_view opening = "<script type=\"text/plain\" id=\"data\">";
  const auto begin = page.find(opening);
  const auto end = page.find("</script>", begin);
  if (begin == std::string::npos || end == std::string::npos) throw std::runtime_error("the page has no data");
  const std::string data = page.substr(begin + opening.size(), end - begin - opening.size());
  return boost::json::parse(unpacked(data)).as_object();
}

}  // namespace plateau::testing
