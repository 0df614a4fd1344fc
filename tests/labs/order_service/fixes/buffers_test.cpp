// Protects the pair: the same bytes, valid JSON, and a steady state without the heap.
#include "labs/order_service/fixes/buffers.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "allocators/allocation_counter.hpp"
#include "labs/order_service/calibration.hpp"
#include "labs/order_service/generated_orders.hpp"
#include "tests/labs/order_service/store_of_tests.hpp"

namespace plateau::order_service {
namespace {

struct Example {
  GeneratedOrders orders{store(), 3};
  Order order;
  std::vector<const PastOrder*> related;

  template <class Use>
  void with(std::uint64_t index, Use use) {
    orders.read(index, order);
    const Items items = build_order_items_after(order, store(), std::pmr::new_delete_resource());
    const PastOrder row{1, 77, 5, 1234, 2, 1};
    related.assign(20, &row);
    use(Confirmation{order, *store().find_customer(order.customer), items, related, store().terms(order.customer), 55,
                     66});
  }
};

TEST(Confirmation, BeforeAndAfterSendTheSameBytes) {
  Example example;
  BufferRecycler recycler;
  Encoder encoder(recycler);
  for (std::uint64_t index = 0; index < 200; index += 7) {
    example.with(index * 1000, [&](const Confirmation& confirmation) {
      EXPECT_EQ(*encoder.encode_before(confirmation), *encoder.encode_after(confirmation)) << index;
    });
  }
}

TEST(Confirmation, IsJsonThatSaysWhatWasOrdered) {
  Example example;
  BufferRecycler recycler;
  Encoder encoder(recycler);
  example.with(5, [&](const Confirmation& confirmation) {
    const boost::json::value parsed = boost::json::parse(*encoder.encode_after(confirmation));
    EXPECT_EQ(parsed.at("order_id"), 5);
    EXPECT_EQ(parsed.at("total_cents"), 55);
    EXPECT_EQ(parsed.at("related_total_cents"), 20 * 1234);
    ASSERT_EQ(parsed.at("items").as_array().size(), example.order.lines.size());
    EXPECT_EQ(parsed.at("items").at(0).at("sku").as_string(), example.order.lines[0].sku);
    EXPECT_EQ(parsed.at("items").at(0).at("note").as_string(), example.order.lines[0].note);
    EXPECT_EQ(parsed.at("customer").at("id"), example.order.customer);
  });
}

TEST(Confirmation, AfterAsksNothingOfTheHeapOnceWarm) {
  Example example;
  BufferRecycler recycler;
  Encoder encoder(recycler);
  example.with(5, [&](const Confirmation& confirmation) {
    for (int i = 0; i < 3; ++i) encoder.encode_after(confirmation);
    const AllocationCounts start = thread_allocation_counts();
    for (int i = 0; i < 10; ++i) encoder.encode_after(confirmation);
    EXPECT_EQ(thread_allocation_counts().calls, start.calls);
  });
}

}  // namespace
}  // namespace plateau::order_service
