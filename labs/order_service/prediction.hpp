// What theory says before the run: when memory will be gone, and how much of it pinned slabs will be.
#pragma once

#include <cstdint>
#include <optional>

#include "labs/order_service/fixes.hpp"
#include "labs/order_service/order.hpp"
#include "labs/order_service/store.hpp"

namespace plateau::order_service {

struct Forecast {
  double kill_hour = 0;     // simulated
  double pinned_bytes = 0;  // slack of slabs at that moment
};

struct ForecastInput {
  Fixes fixes;
  std::uint32_t settlement_orders = 0;
  double limit_bytes = 0;
  double start_rss_bytes = 0;
  double hours = 0;  // simulated
};

// For the arm that this process runs, from the generator's law and the allocator's size classes. Encodes a few orders
// to see how long confirmations are. Empty where nothing that is modelled grows, where the allocator does not tell its
// size classes, or where the limit is not met within `hours`.
std::optional<Forecast> forecast(const Store& store, const OrderSource& source, const ForecastInput& input);

}  // namespace plateau::order_service
