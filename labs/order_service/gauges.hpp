// The lab's own figures of an arm, in the order of its description.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace plateau::order_service {

inline constexpr std::array<std::string_view, 6> service_gauges{"outbox entries",      "outbox bytes",
                                                                "outbox expired",      "history records",
                                                                "predicted kill hour", "predicted pinned bytes"};
enum GaugeIndex : std::size_t {
  gauge_outbox_entries,
  gauge_outbox_bytes,
  gauge_expired,
  gauge_history,
  gauge_kill_hour,
  gauge_pinned
};

}  // namespace plateau::order_service
