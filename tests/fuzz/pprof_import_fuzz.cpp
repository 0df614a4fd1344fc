// Whatever the bytes, a profile.proto is refused in one sentence, or it can be written again and subtracted.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

#include "profiling/formats/gzip.hpp"
#include "profiling/formats/pprof_import.hpp"
#include "profiling/pprof.hpp"
#include "profiling/profile_difference.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t most_bytes = std::size_t{16} << 20;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    static_cast<void>(plateau::is_pprof(bytes));
    const plateau::Profile profile = plateau::profile_of(plateau::decode_pprof(bytes, most_bytes));
    static_cast<void>(
        plateau::decode_pprof(plateau::gunzipped(plateau::encode_pprof(profile, nullptr)), 4 * most_bytes));
    if (!plateau::difference(profile, profile).samples().empty()) std::abort();
  } catch (const std::runtime_error& error) {
    if (std::string_view(error.what()).find('\n') != std::string_view::npos) std::abort();
  } catch (const std::invalid_argument&) {  // code outside of the profile's own mappings
  }
  return 0;
}
