// The lab's own figures of an arm, in the order of its description.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace plateau::order_statistics {

inline constexpr std::array<std::string_view, 16> statistics_gauges{"a query alone ms",
                                                                    "query P50 ms",
                                                                    "query P99 ms",
                                                                    "query of the orders P50 ms",
                                                                    "database CPU percent",
                                                                    "lock waits",
                                                                    "longest lock wait ms",
                                                                    "cache hits percent",
                                                                    "cache bytes at most",
                                                                    "queries in flight at most",
                                                                    "for one question at most",
                                                                    "steady requests a second",
                                                                    "rush requests unanswered",
                                                                    "new orders late",
                                                                    "answers wrong or too old",
                                                                    "index bytes"};
enum GaugeIndex : std::size_t {
  gauge_alone,
  gauge_query_p50,
  gauge_query_p99,
  gauge_orders_p50,
  gauge_cpu,
  gauge_lock_waits,
  gauge_longest_wait,
  gauge_hits,
  gauge_cache_bytes,
  gauge_in_flight,
  gauge_same_in_flight,
  gauge_steady_rate,
  gauge_unanswered,
  gauge_late,
  gauge_wrong,
  gauge_index_bytes
};

}  // namespace plateau::order_statistics
