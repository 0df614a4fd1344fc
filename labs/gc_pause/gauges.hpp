// The lab's own figures of an arm, in the order of its description.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace plateau::gc_pause {

inline constexpr std::array<std::string_view, 9> service_gauges{"purge calls of request threads",
                                                                "purge ms of request threads",
                                                                "purge CPU ms of request threads",
                                                                "purge calls in the background",
                                                                "purge CPU ms in the background",
                                                                "purge bursts of request threads",
                                                                "predicted teardown ms",
                                                                "predicted purge ms",
                                                                "page bytes"};
enum GaugeIndex : std::size_t {
  gauge_purge_calls,
  gauge_purge_ms,
  gauge_purge_cpu_ms,
  gauge_background_calls,
  gauge_background_cpu_ms,
  gauge_purge_bursts,
  gauge_predicted_teardown,
  gauge_predicted_purge,
  gauge_page_bytes
};

}  // namespace plateau::gc_pause
