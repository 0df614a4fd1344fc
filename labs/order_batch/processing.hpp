// What is done to an order by the CPU: validated, priced, encoded. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "labs/order_batch/order.hpp"

namespace plateau::order_batch {

// Throws std::runtime_error, which says what is wrong with it.
void validate(const Order& order);

// In cents: each item with the discount of its quantity, the sum with that of its size, and tax.
std::uint64_t price(const Order& order);

// Bytes that encode() appends at most.
std::size_t most_encoded_bytes(const Order& order);
// Appends the order as JSON.
void encode(const Order& order, std::uint64_t cents, std::pmr::string& message);

// What is the same in all arms that did the order.
std::uint64_t digest_of(const Record& record);

}  // namespace plateau::order_batch
