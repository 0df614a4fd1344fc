// Orders over HTTP, for load from outside: the same lanes handle them as those of the service's own load.
//
//   POST /api/orders   an order, or an array of them (see order_json.hpp)
//        200 {"orders": [{"order_id": N, "total_cents": N}…]}, when each has been handled: from then on it can be asked
//        for 400 {"error": "one line"}: none of them was taken; 413 the body is too large; 503 too much is waiting,
//        none was taken
//   GET  /api/orders?ids=N,N…
//        200 {"orders": […], "missing": [N…]}; without ids, the newest of each lane
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "labs/order_service/calibration.hpp"
#include "labs/order_service/outside_orders.hpp"
#include "labs/order_service/store.hpp"

namespace plateau::order_service {

// On 127.0.0.1, on a port of its own choice and a thread of its own, which is part of the service.
class OrderApi {
 public:
  static constexpr std::size_t most_orders = 256;  // in a request
  static constexpr std::size_t most_body_bytes = 1024 * 1024;

  // `use_arena`: whether requests and their documents are in arenas; asked for each. All must outlive it. Throws
  // std::runtime_error when there is no port to be had.
  OrderApi(const Store& store, std::span<OutsideOrders, lanes> queues, std::function<bool()> use_arena);
  ~OrderApi();
  OrderApi(const OrderApi&) = delete;
  OrderApi& operator=(const OrderApi&) = delete;

  std::uint16_t port() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace plateau::order_service
