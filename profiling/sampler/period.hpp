// The sampling period as PLATEAU_SAMPLE_PERIOD gives it.
#pragma once

#include <cstdint>
#include <optional>

#include "allocators/system/number_text.hpp"
#include "profiling/sampler/poisson.hpp"

namespace plateau::sampler {

inline constexpr const char* period_variable = "PLATEAU_SAMPLE_PERIOD";

// With longer ones hardly any program would be sampled at all, and gaps would no longer fit into their counter.
inline constexpr std::uint64_t longest_period_bytes = std::uint64_t{1} << 40;

// Says on standard error what is wanted, where a text is no period.
inline constexpr char bad_period_message[] =
    "plateau: PLATEAU_SAMPLE_PERIOD: give bytes up to 1TiB, such as 524288, 512KiB or 4k, or 0 to sample on demand "
    "only, "
    "as is done now\n";

// Returns the period in bytes, 0 for sampling on demand only, and the default for no text (null); nothing for what is
// no such number. Allocates nothing.
inline std::optional<std::uint64_t> period_in(const char* text) {
  if (text == nullptr) return default_period_bytes;
  const std::optional<std::uint64_t> bytes = bytes_in(text);
  return bytes && *bytes <= longest_period_bytes ? bytes : std::nullopt;
}

}  // namespace plateau::sampler
