// Text form of a past order's id, as queries have it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace plateau::order_service {

inline constexpr std::size_t past_order_id_length = 36;
using PastOrderId = char[past_order_id_length];

// Writes "shop-eu-central-1/order/000012345678".
void write_past_order_id(std::uint32_t number, PastOrderId& id);

// Returns the number in an id's text; empty when the text has another length or does not end in a number.
std::optional<std::uint64_t> read_past_order_id(std::string_view id);

}  // namespace plateau::order_service
