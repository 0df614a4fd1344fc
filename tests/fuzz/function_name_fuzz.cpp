// No name is too strange to shorten.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "profiling/symbols/function_name.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static_cast<void>(plateau::short_name({reinterpret_cast<const char*>(data), size}));
  return 0;
}
