#include "labs/order_service/past_order_id.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <system_error>

namespace plateau::order_service {
namespace {

constexpr std::string_view head = "shop-eu-central-1/order/";
constexpr std::size_t id_digits = past_order_id_length - head.size();

}  // namespace

void write_past_order_id(std::uint32_t number, PastOrderId& id) {
  constexpr std::uint64_t thirteen_digits = 1'000'000'000'000;  // the first is cut off, which leaves leading zeros
  static_assert(id_digits == 12);
  char digits[id_digits + 1];
  std::to_chars(std::begin(digits), std::end(digits), thirteen_digits + number);
  std::copy(head.begin(), head.end(), id);
  std::copy(digits + 1, std::end(digits), id + head.size());
}

std::optional<std::uint64_t> read_past_order_id(std::string_view id) {
  if (id.size() != past_order_id_length) return std::nullopt;
  std::uint64_t number = 0;
  const char* const end = id.data() + id.size();
  const auto [stop, error] = std::from_chars(end - id_digits, end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

}  // namespace plateau::order_service
