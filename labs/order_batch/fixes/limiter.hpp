// Fix `limiter`: an order is sent when the partner's contract allows it. Before: as soon as there is a worker for it.
#pragma once

#include <cstdint>
#include <stop_token>

#include "labs/limiter/limiter.hpp"
#include "labs/limiter/limiter_wait.hpp"
#include "labs/order_batch/calibration.hpp"

namespace plateau::order_batch {

// The limiter for a partner with this contract.
struct LimiterSettings {
  double orders_per_second = Limiter::unlimited;
  std::int64_t burst = limiter_burst;
};

inline LimiterSettings limiter_for(double partner_rate) {
  return {.orders_per_second = limiter_share * partner_rate, .burst = limiter_burst};
}

inline void await_turn_before(Limiter& /*limiter*/) {}

inline void await_turn_after(Limiter& limiter) {
  wait_for(limiter, std::stop_token());
}

}  // namespace plateau::order_batch
