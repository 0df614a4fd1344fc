#include "labs/order_batch/order_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string_view>

#include <boost/json.hpp>

#include "labs/harness/load/random.hpp"
#include "labs/order_batch/calibration.hpp"

namespace plateau::order_batch {
namespace json = boost::json;
namespace {

class GeneratedOrders final : public OrderSource {
 public:
  GeneratedOrders(std::uint64_t seed, std::uint64_t total) : seed_(seed), total_(total) {}

  std::uint64_t total() const override { return total_; }

  void read(Order& order) override {
    harness::SplitMix64 random(harness::SplitMix64::mix(seed_) ^ next_);
    order.number = next_++;
    append_number(order.customer, "customer-", random.below(1'000'000), 10);
    const std::size_t count = least_items + random.below(most_items - least_items + 1);
    order.items.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      Item& item = order.items.emplace_back();
      append_number(item.sku, "sku-", random.below(100'000'000), 14);
      append_number(item.name, "an article with a name of its own, no. ", random.below(10'000), 6);
      item.quantity = static_cast<std::uint32_t>(1 + random.below(5));
      item.cents = 99 + random.below(50'000);
    }
  }

 private:
  static void append_number(std::pmr::string& text, std::string_view before, std::uint64_t number, int digits) {
    char buffer[64];
    const auto end = fmt::format_to_n(buffer, sizeof buffer, "{}{:0{}}", before, number, digits).out;
    text.assign(static_cast<const char*>(buffer), static_cast<std::size_t>(end - buffer));
  }

  std::uint64_t seed_;
  std::uint64_t total_;
  OrderNumber next_ = 0;
};

class OrdersOfFile final : public OrderSource {
 public:
  OrdersOfFile(const std::string& file, std::uint64_t most) : in_(file) {
    if (!in_) throw std::runtime_error(fmt::format("--orders {}: cannot be read", file));
    for (std::string line; total_ < most && std::getline(in_, line);) ++total_;
    if (total_ == 0) throw std::runtime_error(fmt::format("--orders {}: there is no order in it", file));
    in_.clear();
    in_.seekg(0);
  }

  std::uint64_t total() const override { return total_; }

  void read(Order& order) override {
    order.number = next_++;
    std::getline(in_, line_);
    try {
      const json::value parsed = json::parse(line_);
      order.customer = std::string_view(parsed.at("customer").as_string());
      const json::array& items = parsed.at("items").as_array();
      order.items.reserve(items.size());
      for (const json::value& from : items) {
        Item& item = order.items.emplace_back();
        item.sku = std::string_view(from.at("sku").as_string());
        item.name = std::string_view(from.at("name").as_string());
        item.quantity = from.at("quantity").to_number<std::uint32_t>();
        item.cents = from.at("cents").to_number<std::uint64_t>();
      }
    } catch (const std::exception&) {
      throw std::runtime_error(fmt::format("line {} is no order", order.number + 1));
    }
  }

 private:
  std::ifstream in_;
  std::string line_;
  std::uint64_t total_ = 0;
  OrderNumber next_ = 0;
};

}  // namespace

std::unique_ptr<OrderSource> generated_orders(std::uint64_t seed, std::uint64_t total) {
  return std::make_unique<GeneratedOrders>(seed, total);
}

std::unique_ptr<OrderSource> orders_of_file(const std::string& file, std::uint64_t most) {
  return std::make_unique<OrdersOfFile>(file, most);
}

}  // namespace plateau::order_batch
