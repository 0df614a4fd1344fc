// Protects what is done to an order by the CPU, and where orders come from.
#include "labs/order_batch/processing.hpp"

#include <gtest/gtest.h>

#include <memory_resource>
#include <stdexcept>

#include <boost/json.hpp>

#include "labs/order_batch/order_source.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::order_batch {
namespace {

Order order_with(std::initializer_list<std::pair<std::uint32_t, std::uint64_t>> items) {
  Order order(std::pmr::new_delete_resource());
  order.customer = "somebody";
  for (const auto& [quantity, cents] : items) {
    Item& item = order.items.emplace_back();
    item.sku = "sku";
    item.name = "name";
    item.quantity = quantity;
    item.cents = cents;
  }
  return order;
}

TEST(Processing, PricesWithDiscountsAndTax) {
  EXPECT_EQ(price(order_with({{1, 10'000}})), 11'900U);
  EXPECT_EQ(price(order_with({{3, 10'000}})), 33'915U) << "5 % for three";
  EXPECT_EQ(price(order_with({{5, 10'000}})), 53'550U) << "10 % for five";
  EXPECT_EQ(price(order_with({{2, 1'000'000}})), 2'308'600U) << "3 % for a large order";
}

TEST(Processing, RefusesWhatIsNoOrder) {
  EXPECT_NO_THROW(validate(order_with({{1, 1}})));
  EXPECT_THROW(validate(order_with({})), std::runtime_error);
  EXPECT_THROW(validate(order_with({{0, 1}})), std::runtime_error);
  EXPECT_THROW(validate(order_with({{1, 0}})), std::runtime_error);
  Order quoted = order_with({{1, 1}});
  quoted.customer = "a \" in it";
  EXPECT_THROW(validate(quoted), std::runtime_error);
}

TEST(Processing, EncodesJsonWithinWhatItSaysItNeeds) {
  const auto source = generated_orders(3, 50);
  for (int i = 0; i < 50; ++i) {
    Order order(std::pmr::new_delete_resource());
    source->read(order);
    std::pmr::string message;
    encode(order, price(order), message);
    EXPECT_LE(message.size(), most_encoded_bytes(order));
    const auto parsed = boost::json::parse({message.data(), message.size()});
    EXPECT_EQ(parsed.at("items").as_array().size(), order.items.size());
  }
}

TEST(OrdersOfFile, ALineThatIsNoOrderFailsAlone) {
  const testing::ScratchFolder folder;
  folder.write("orders", R"({"customer":"a","items":[{"sku":"s","name":"n","quantity":2,"cents":5}]}
no order
{"customer":"b","items":[]}
)");
  const auto source = orders_of_file(folder / "orders", 100);
  EXPECT_EQ(source->total(), 3U);
  const auto next = [&] {
    Order order(std::pmr::new_delete_resource());
    source->read(order);
    return std::string(order.customer);
  };
  EXPECT_EQ(next(), "a");
  EXPECT_THROW(next(), std::runtime_error);
  EXPECT_EQ(next(), "b");
  EXPECT_THROW(orders_of_file(folder / "none", 100), std::runtime_error);
}

}  // namespace
}  // namespace plateau::order_batch
