// Whatever the text, the readers give a profile that can be written and subtracted, or say in one sentence why not.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <string>

#include "profiling/legacy_heap.hpp"
#include "profiling/pprof.hpp"
#include "profiling/profile_difference.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::istringstream text(std::string(reinterpret_cast<const char*>(data), size));
  try {
    const bool is_partial = size % 2 == 1;
    const plateau::Profile profile =
        plateau::read_legacy_heap(text, {.limits = {.profile_bytes = std::size_t{16} << 20}, .is_partial = is_partial})
            .profile;
    if (plateau::encode_pprof(profile, nullptr).empty()) std::abort();
    if (!plateau::difference(profile, profile).samples().empty()) std::abort();
  } catch (const std::runtime_error& error) {
    if (std::string_view(error.what()).find('\n') != std::string_view::npos) std::abort();
  }
  return 0;
}
