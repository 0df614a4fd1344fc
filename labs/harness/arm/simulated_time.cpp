#include "labs/harness/arm/simulated_time.hpp"

#include <fmt/format.h>

namespace plateau::harness {

std::string format_span(double simulated_seconds) {
  return counts_in_seconds(simulated_seconds) ? fmt::format("{:.4g} s", simulated_seconds)
                                              : fmt::format("{:.2f} simulated h", simulated_seconds / 3600);
}

}  // namespace plateau::harness
