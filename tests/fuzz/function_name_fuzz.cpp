// No name is too strange to shorten.
#include <cstddef>
#include <cstdint>
#include <string>

#include "profiling/symbols/demangled_name.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string name(reinterpret_cast<const char*>(data), size);
  for (const plateau::NameStyle style : {plateau::NameStyle::brief, plateau::NameStyle::templates}) {
    static_cast<void>(plateau::shown_cpp_name(name, style));
    static_cast<void>(plateau::shown_rust_name(name, style));
    static_cast<void>(plateau::shown_name(name, style));
  }
  return 0;
}
