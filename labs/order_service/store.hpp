// The data that requests read: catalogue, customers, past orders and their indexes. Built once at start, from the seed;
// laid out flat, so that requested bytes and pages agree, and the same in every arm.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "labs/order_service/order.hpp"

namespace plateau::order_service {

struct Product {
  std::string_view sku;
  std::string_view name;
  std::uint32_t price_cents = 0;
  std::uint32_t tax_per_mille = 0;
};

struct Customer {
  std::string_view name;
  std::string_view email;
  std::string_view address;
};

struct PastOrder {
  std::uint64_t placed_at = 0;  // seconds since the epoch
  std::uint32_t number = 0;     // in text: see past_order_id.hpp
  CustomerId customer = 0;
  std::uint32_t total_cents = 0;
  std::uint16_t lines = 0;
  std::uint8_t status = 0;
};

std::string_view status_name(std::uint8_t status);

// Read-only after construction, so thread-safe.
class Store {
 public:
  explicit Store(std::uint64_t seed);
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  std::span<const Product> products() const { return products_; }
  // Null for an unknown sku or customer.
  const Product* find_product(std::string_view sku) const;
  const Customer* find_customer(CustomerId id) const;
  // Terms of sale that go with a customer's confirmations.
  std::string_view terms(CustomerId id) const { return terms_[id % terms_.size()]; }
  // Numbers of the past orders that belong with a customer's.
  std::span<const std::uint32_t> related(CustomerId id) const;

  // Runs "SELECT * FROM orders WHERE id IN ('shop-…', …)": the rows found, in the order asked, into `rows` (cleared
  // first). Throws std::invalid_argument for any other text.
  void select_orders(std::string_view query, std::vector<const PastOrder*>& rows) const;

 private:
  std::string text_;  // every name and address, one after the other
  std::vector<std::string> terms_;
  std::vector<Product> products_;
  std::vector<Customer> customers_;
  std::vector<PastOrder> orders_;
  std::vector<std::uint32_t> related_;
  boost::unordered_flat_map<std::string_view, std::uint32_t> by_sku_;
};

}  // namespace plateau::order_service
