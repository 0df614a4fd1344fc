// Protects the pair: the same items, fewer blocks; and that a bad line is refused.
#include "labs/order_service/fixes/items.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "allocators/allocation_counter.hpp"
#include "allocators/arena.hpp"
#include "tests/labs/order_service/store_of_tests.hpp"

namespace plateau::order_service {
namespace {

Order order_of(std::size_t lines) {
  Order order;
  for (std::size_t i = 0; i < lines; ++i) {
    const Product& product = store().products()[i];
    order.lines.push_back({product.sku, static_cast<std::uint32_t>(i + 1), product.price_cents,
                           "a note that is too long to be kept inside the string"});
  }
  return order;
}

TEST(Items, BeforeAndAfterAreEqual) {
  for (const std::size_t lines : {0U, 1U, 5U, 64U}) {
    const Order order = order_of(lines);
    const Items before = build_order_items_before(order, store(), std::pmr::new_delete_resource());
    const Items after = build_order_items_after(order, store(), std::pmr::new_delete_resource());
    ASSERT_EQ(before.size(), lines);
    ASSERT_EQ(after.size(), lines);
    for (std::size_t i = 0; i < lines; ++i) {
      EXPECT_EQ(before[i].product, after[i].product);
      EXPECT_EQ(before[i].total_cents, after[i].total_cents);
      EXPECT_EQ(before[i].total_cents, std::uint64_t{order.lines[i].quantity} * order.lines[i].unit_price_cents);
      EXPECT_EQ(before[i].note, after[i].note);
    }
  }
}

TEST(Items, AfterTakesOneBlockForTheVectorAndBeforeTakesMany) {
  const Order order = order_of(64);
  const auto calls = [&](auto build) {
    const AllocationCounts start = thread_allocation_counts();
    const Items built = build(order, store(), std::pmr::new_delete_resource());
    return thread_allocation_counts().calls - start.calls - built.size();  // less a block for each note
  };
  EXPECT_EQ(calls(build_order_items_after), 1U);
  EXPECT_EQ(calls(build_order_items_before), 7U);  // 1, 2, 4 … 64
}

TEST(Items, AllOfAnOrderLivesInTheMemoryGiven) {
  Arena arena;
  const Order order = order_of(20);
  const AllocationCounts start = thread_allocation_counts();
  const Items built = build_order_items_after(order, store(), &arena);
  EXPECT_EQ(thread_allocation_counts().calls - start.calls, arena.statistics().blocks);
}

TEST(Items, BadLinesAreRefused) {
  Order unknown = order_of(1);
  unknown.lines[0].sku = "SKU-none";
  Order price = order_of(1);
  ++price.lines[0].unit_price_cents;
  Order none = order_of(1);
  none.lines[0].quantity = 0;
  for (const Order& order : {unknown, price, none}) {
    EXPECT_THROW(build_order_items_before(order, store(), std::pmr::new_delete_resource()), std::invalid_argument);
    EXPECT_THROW(build_order_items_after(order, store(), std::pmr::new_delete_resource()), std::invalid_argument);
  }
}

}  // namespace
}  // namespace plateau::order_service
