#include "labs/order_service/fixes/query.hpp"

#include "labs/order_service/past_order_id.hpp"

namespace plateau::order_service {
namespace {

std::string_view id_text(std::uint32_t number, PastOrderId& id) {
  write_past_order_id(number, id);
  return {id, past_order_id_length};
}

}  // namespace

// Each step makes a new string of all that came before: bytes grow with the square of the number of ids.
std::string_view build_query_before(std::span<const std::uint32_t> order_numbers, std::string& builder) {
  std::string query = "SELECT * FROM orders WHERE id IN (";
  PastOrderId id;
  for (std::size_t i = 0; i < order_numbers.size(); ++i) {
    if (i > 0) query = query + ", ";
    query = query + "'" + std::string(id_text(order_numbers[i], id)) + "'";
  }
  builder = query + ")";
  return builder;
}

// The length is known before the first byte is written, and the builder keeps its capacity for the next order.
std::string_view build_query_after(std::span<const std::uint32_t> order_numbers, std::string& builder) {
  constexpr std::string_view head = "SELECT * FROM orders WHERE id IN (";
  builder.clear();
  builder.reserve(head.size() + order_numbers.size() * (past_order_id_length + 4) + 1);
  builder += head;
  PastOrderId id;
  for (std::size_t i = 0; i < order_numbers.size(); ++i) {
    if (i > 0) builder += ", ";
    builder += '\'';
    builder += id_text(order_numbers[i], id);
    builder += '\'';
  }
  builder += ')';
  return builder;
}

}  // namespace plateau::order_service
