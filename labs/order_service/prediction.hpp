// What theory says before the run: when memory will be gone, and how much of it pinned slabs will be.
#pragma once

#include <optional>

#include "labs/order_service/order.hpp"
#include "labs/order_service/service_options.hpp"
#include "labs/order_service/store.hpp"

namespace plateau::order_service {

struct Forecast {
  double kill_hour = 0;     // simulated
  double pinned_bytes = 0;  // slack of slabs at that moment
};

// For the arm that this process runs, from the generator's law and the allocator's size classes. Encodes a few orders
// to see how long confirmations are. Empty where nothing that is modelled grows, where the allocator does not tell its
// size classes, or where the limit is not met within `hours`.
std::optional<Forecast> forecast(const Store& store, const OrderSource& source, const ServiceOptions& options,
                                 double limit_bytes, double start_rss_bytes, double hours);

}  // namespace plateau::order_service
