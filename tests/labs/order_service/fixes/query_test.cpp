// Protects the pair: the same text, and the store answers it.
#include "labs/order_service/fixes/query.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

#include "allocators/allocation_counter.hpp"
#include "labs/order_service/past_order_id.hpp"
#include "tests/labs/order_service/store_of_tests.hpp"

namespace plateau::order_service {
namespace {

TEST(Query, BeforeAndAfterBuildTheSameText) {
  std::string before;
  std::string after;
  for (const std::size_t count : {0U, 1U, 2U, 57U}) {
    const auto numbers = store().related(7).first(count);
    EXPECT_EQ(build_query_before(numbers, before), build_query_after(numbers, after));
  }
}

TEST(Query, TheStoreFindsEveryRelatedOrderInTheOrderAsked) {
  std::string text;
  std::vector<const PastOrder*> rows;
  const auto numbers = store().related(42);
  store().select_orders(build_query_after(numbers, text), rows);
  ASSERT_EQ(rows.size(), numbers.size());
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i]->number, numbers[i]);
}

TEST(Query, UnknownIdsAreNotFoundAndOtherTextsAreRefused) {
  std::vector<const PastOrder*> rows;
  PastOrderId id;
  write_past_order_id(1, id);
  const std::string unknown = "SELECT * FROM orders WHERE id IN ('" + std::string(id, past_order_id_length) + "')";
  store().select_orders(unknown, rows);
  EXPECT_TRUE(rows.empty());
  for (const char* const text : {"", "SELECT 1", "SELECT * FROM orders WHERE id IN ('short')", "DROP TABLE orders"}) {
    EXPECT_THROW(store().select_orders(text, rows), std::invalid_argument) << text;
  }
}

TEST(Query, AfterAsksNothingOfTheHeapOnceWarmAndBeforeGrowsWithTheSquare) {
  std::string text;
  const auto all = store().related(1);
  build_query_after(all, text);
  const AllocationCounts start = thread_allocation_counts();
  build_query_after(all, text);
  EXPECT_EQ(thread_allocation_counts().calls, start.calls);

  const auto bytes = [&](std::size_t ids) {
    const AllocationCounts before = thread_allocation_counts();
    build_query_before(all.first(ids), text);
    return static_cast<double>(thread_allocation_counts().bytes - before.bytes);
  };
  EXPECT_GT(bytes(all.size()) / bytes(all.size() / 2), 3) << "twice the ids should be about four times the bytes";
}

}  // namespace
}  // namespace plateau::order_service
