#include "labs/order_batch/processing.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <array>
#include <iterator>
#include <stdexcept>
#include <string_view>

namespace plateau::order_batch {
namespace {

constexpr std::size_t bytes_around_an_item = 72;  // its keys, and numbers at their longest
constexpr std::uint64_t most_cents = 100'000'000;
constexpr std::uint32_t most_quantity = 1'000;

bool is_plain(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\') return false;
  }
  return !text.empty();
}

}  // namespace

void validate(const Order& order) {
  if (!is_plain(order.customer)) throw std::runtime_error("its customer is no name");
  if (order.items.empty()) throw std::runtime_error("it has no items");
  for (const Item& item : order.items) {
    if (!is_plain(item.sku) || !is_plain(item.name)) throw std::runtime_error("an item has no name");
    if (item.quantity == 0 || item.quantity > most_quantity) throw std::runtime_error("a quantity is out of range");
    if (item.cents == 0 || item.cents > most_cents) throw std::runtime_error("a price is out of range");
  }
}

std::uint64_t price(const Order& order) {
  std::uint64_t sum = 0;
  for (const Item& item : order.items) {
    const std::uint64_t percent = item.quantity >= 5 ? 90 : item.quantity >= 3 ? 95 : 100;
    sum += item.cents * item.quantity * percent / 100;
  }
  if (sum > 1'000'000) sum = sum * 97 / 100;
  return sum + (sum * 19 + 50) / 100;
}

std::size_t most_encoded_bytes(const Order& order) {
  std::size_t bytes = 96 + order.customer.size();
  for (const Item& item : order.items) bytes += bytes_around_an_item + item.sku.size() + item.name.size();
  return bytes;
}

void encode(const Order& order, std::uint64_t cents, std::pmr::string& message) {
  auto out = std::back_inserter(message);
  fmt::format_to(out, R"({{"number":{},"customer":"{}","cents":{},"items":[)", order.number,
                 std::string_view(order.customer), cents);
  bool first = true;
  for (const Item& item : order.items) {
    fmt::format_to(out, R"({}{{"sku":"{}","name":"{}","quantity":{},"cents":{}}})", first ? "" : ",",
                   std::string_view(item.sku), std::string_view(item.name), item.quantity, item.cents);
    first = false;
  }
  message += "]}";
}

std::uint64_t digest_of(const Record& record) {
  const std::array<std::uint64_t, 3> all{record.number, record.cents, record.receipt};
  return XXH3_64bits(all.data(), sizeof all);
}

}  // namespace plateau::order_batch
