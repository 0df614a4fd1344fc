#include "labs/order_service/store.hpp"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <optional>
#include <stdexcept>

#include "labs/harness/load/random.hpp"
#include "labs/order_service/calibration.hpp"
#include "labs/order_service/past_order_id.hpp"

namespace plateau::order_service {
using harness::SplitMix64;
namespace {

constexpr std::array<std::string_view, 16> adjectives{
    "Organic",   "Stainless",  "Folding",    "Recycled", "Cordless", "Compact", "Heavy-duty", "Classic",
    "Insulated", "Adjustable", "Waterproof", "Magnetic", "Portable", "Smoked",  "Double",     "Premium"};
constexpr std::array<std::string_view, 16> nouns{"Espresso Beans", "Water Bottle",  "Garden Chair",  "Notebook A5",
                                                 "Drill Driver",   "Desk Lamp",     "Work Gloves",   "Teapot",
                                                 "Lunch Box",      "Torque Wrench", "Rain Jacket",   "Tool Holder",
                                                 "Speaker",        "Almonds",       "Picture Frame", "Olive Oil"};
constexpr std::array<std::string_view, 8> streets{"Linden Avenue", "Harbour Road", "Mill Lane",  "Station Street",
                                                  "Orchard Way",   "Castle Hill",  "River Walk", "Market Square"};
constexpr std::array<std::string_view, 5> statuses{"paid", "packed", "shipped", "delivered", "returned"};

constexpr std::string_view select_prefix = "SELECT * FROM orders WHERE id IN (";
// Numbers of past orders are dense, so a row's place is computed and no index is needed.
constexpr std::uint32_t first_number = 10'000'000;

// Appends texts to one string and gives each as offset and length, since the string moves while it grows.
class TextBuilder {
 public:
  struct Piece {
    std::size_t offset = 0;
    std::size_t length = 0;
    std::string_view in(const std::string& text) const { return std::string_view(text).substr(offset, length); }
  };
  template <class... Arguments>
  Piece add(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    const std::size_t offset = text_.size();
    fmt::format_to(std::back_inserter(text_), format, std::forward<Arguments>(arguments)...);
    return {offset, text_.size() - offset};
  }
  std::string finish() {
    text_.shrink_to_fit();
    return std::move(text_);
  }

 private:
  std::string text_;
};

}  // namespace

std::string_view status_name(std::uint8_t status) {
  return statuses.at(status);
}

Store::Store(std::uint64_t seed) {
  SplitMix64 random(SplitMix64::mix(seed) ^ 0x5704e);
  TextBuilder text;

  struct ProductText {
    TextBuilder::Piece sku, name;
  };
  std::vector<ProductText> product_texts;
  for (std::uint32_t i = 0; i < product_count; ++i) {
    product_texts.push_back({text.add("SKU-{:06d}", i), text.add("{} {} no. {}", adjectives[random.below(16)],
                                                                 nouns[random.below(16)], random.below(1000))});
  }
  struct CustomerText {
    TextBuilder::Piece name, email, address;
  };
  std::vector<CustomerText> customer_texts;
  for (std::uint32_t i = 0; i < customer_count; ++i) {
    customer_texts.push_back(
        {text.add("Customer {:06d} {}", i, nouns[random.below(16)]), text.add("customer{:06d}@shop.example", i),
         text.add("{} {}, {:05d} Springfield, building {}, floor {}", random.below(200) + 1, streets[random.below(8)],
                  random.below(100000), random.below(30), random.below(12))});
  }
  text_ = text.finish();

  for (std::uint32_t country = 0; country < terms_variants; ++country) {
    std::string& terms = terms_.emplace_back();
    terms.reserve(terms_bytes + 128);
    for (int clause = 1; terms.size() < terms_bytes; ++clause) {
      fmt::format_to(std::back_inserter(terms),
                     "{}.{} The {} {} may be returned within {} days of delivery, unopened. ", country + 1, clause,
                     adjectives[random.below(16)], nouns[random.below(16)], 14 + random.below(30));
    }
  }

  products_.reserve(product_count);
  by_sku_.reserve(product_count);
  for (std::uint32_t i = 0; i < product_count; ++i) {
    products_.push_back({product_texts[i].sku.in(text_), product_texts[i].name.in(text_),
                         static_cast<std::uint32_t>(random.below(20000) + 99),
                         static_cast<std::uint32_t>(random.below(2) == 0 ? 70 : 190)});
    by_sku_.emplace(products_[i].sku, i);
  }
  customers_.reserve(customer_count);
  for (const CustomerText& c : customer_texts)
    customers_.push_back({c.name.in(text_), c.email.in(text_), c.address.in(text_)});

  orders_.reserve(past_order_count);
  for (std::uint32_t i = 0; i < past_order_count; ++i) {
    orders_.push_back(
        {1'760'000'000 + i * 17ULL, first_number + i, static_cast<CustomerId>(random.below(customer_count)),
         static_cast<std::uint32_t>(random.below(1'000'000)), static_cast<std::uint16_t>(random.below(40) + 1),
         static_cast<std::uint8_t>(random.below(statuses.size()))});
  }
  related_.reserve(std::size_t{customer_count} * related_per_customer);
  for (std::size_t i = 0; i < std::size_t{customer_count} * related_per_customer; ++i) {
    related_.push_back(orders_[random.below(past_order_count)].number);
  }
}

const Product* Store::find_product(std::string_view sku) const {
  const auto found = by_sku_.find(sku);
  return found == by_sku_.end() ? nullptr : &products_[found->second];
}

const Customer* Store::find_customer(CustomerId id) const {
  return id < customers_.size() ? &customers_[id] : nullptr;
}

std::span<const std::uint32_t> Store::related(CustomerId id) const {
  return std::span(related_).subspan(std::size_t{id} * related_per_customer, related_per_customer);
}

void Store::select_orders(std::string_view query, std::vector<const PastOrder*>& rows) const {
  rows.clear();
  if (!query.starts_with(select_prefix) || !query.ends_with(')'))
    throw std::invalid_argument("not a query by order ids");
  std::string_view list = query.substr(select_prefix.size(), query.size() - select_prefix.size() - 1);
  while (!list.empty()) {
    constexpr std::size_t quoted = past_order_id_length + 2;  // with ", " between
    const auto number = list.size() < quoted ? std::nullopt : read_past_order_id(list.substr(1, past_order_id_length));
    if (!number) throw std::invalid_argument("not a list of order ids");
    const std::size_t at = *number - first_number;  // wraps to out of range below the first
    if (at < orders_.size()) {
      rows.push_back(&orders_[at]);
      __builtin_prefetch(rows.back());  // rows are scattered; they are read only after the last is found
    }
    list.remove_prefix(quoted);
    if (list.starts_with(", ")) list.remove_prefix(2);
  }
}

}  // namespace plateau::order_service
