// Runs a service: lanes on worker threads, orders when they are due and from outside, fixes that are switched
// meanwhile.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "labs/harness/arm_child.hpp"
#include "labs/order_service/order.hpp"
#include "labs/order_service/service_options.hpp"
#include "labs/order_service/store.hpp"

namespace plateau::order_service {

// Runs the orders of an arm on its worker threads, and ends the process when the last is done.
[[noreturn]] void run_service(harness::ArmContext& context, const Store& store, const OrderSource& source,
                              const ServiceOptions& options);

// Order of the gauges that run_service sets.
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
