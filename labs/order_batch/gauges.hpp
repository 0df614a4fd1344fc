// The lab's own figures of an arm, in the order of its description.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace plateau::order_batch {

inline constexpr std::array<std::string_view, 20> batch_gauges{"batch seconds",
                                                               "compute ms an order",
                                                               "partner ms an order",
                                                               "commit ms an order",
                                                               "workers",
                                                               "predicted orders a second",
                                                               "predicted peak RSS bytes",
                                                               "RSS at the start bytes",
                                                               "most bytes in flight",
                                                               "requests to the partner",
                                                               "refusals of the partner",
                                                               "commits",
                                                               "orders acknowledged",
                                                               "orders in the store",
                                                               "orders failed",
                                                               "most acknowledged and not durable",
                                                               "freed bytes",
                                                               "foreign frees",
                                                               "foreign frees bytes",
                                                               "temporaries bytes"};
enum GaugeIndex : std::size_t {
  gauge_seconds,
  gauge_compute_ms,
  gauge_partner_ms,
  gauge_commit_ms,
  gauge_workers,
  gauge_predicted_rate,
  gauge_predicted_peak,
  gauge_start_rss,
  gauge_most_in_flight,
  gauge_requests,
  gauge_refusals,
  gauge_commits,
  gauge_acknowledged,
  gauge_in_store,
  gauge_failed,
  gauge_not_durable,
  // Estimates of the sampler, where it is in front of malloc.
  gauge_freed_bytes,
  gauge_foreign_frees,
  gauge_foreign_bytes,
  gauge_temporary_bytes
};

}  // namespace plateau::order_batch
