// The other end of the socket pair: takes confirmations, acknowledges most of them. It runs in the parent, so that it
// costs the measured process nothing.
//
// On the wire, both ways, host byte order (both ends are this program): confirmation = {order id, u64}{length,
// u64}{bytes}; acknowledgement = {order id, u64}.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "labs/order_service/order.hpp"

namespace plateau::order_service {

bool is_acknowledged(OrderId id);

// Serves the sockets until all are closed.
void serve_downstream(std::span<const int> sockets);

// Of the service: sends one confirmation whole. Throws std::system_error when downstream is gone.
void send_confirmation(int socket, OrderId id, std::string_view body);

// Of the service: acknowledgements that have come so far, up to the size of `into`; does not wait.
std::size_t receive_acknowledgements(int socket, std::span<OrderId> into);

}  // namespace plateau::order_service
