// Protects the input: the same for every arm, drifting as the case needs, and refused by line where a file is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "allocators/allocation_counter.hpp"
#include "labs/harness/usage_error.hpp"
#include "labs/order_service/calibration.hpp"
#include "labs/order_service/generated_orders.hpp"
#include "labs/order_service/recorded_orders.hpp"
#include "tests/labs/order_service/store_of_tests.hpp"

namespace plateau::order_service {
namespace {

TEST(GeneratedOrders, AreAFunctionOfSeedAndIndexAlone) {
  const GeneratedOrders one(store(), 9);
  const GeneratedOrders again(store(), 9);
  const GeneratedOrders other(store(), 10);
  Order a;
  Order b;
  int differing = 0;
  for (const std::uint64_t index : {500U, 3U, 77U, 3U, 200'000U}) {
    one.read(index, a);
    again.read(index, b);
    ASSERT_EQ(a.lines.size(), b.lines.size());
    EXPECT_EQ(a.customer, b.customer);
    for (std::size_t i = 0; i < a.lines.size(); ++i) {
      EXPECT_EQ(a.lines[i].sku, b.lines[i].sku);
      EXPECT_EQ(a.lines[i].note, b.lines[i].note);
    }
    other.read(index, b);
    differing += a.customer != b.customer ? 1 : 0;
  }
  EXPECT_GT(differing, 0);
}

TEST(GeneratedOrders, NotesGrowAndLinesGetFewerThroughAShift) {
  const GeneratedOrders orders(store(), 1);
  const auto means = [&](double hour) {
    Order order;
    double lines = 0;
    double note = 0;
    constexpr int count = 2000;
    for (int i = 0; i < count; ++i) {
      orders.read(static_cast<std::uint64_t>(hour * 3600 * orders_per_second) + static_cast<std::uint64_t>(i), order);
      lines += static_cast<double>(order.lines.size()) / count;
      note += static_cast<double>(order.lines.front().note.size()) / count;
    }
    return std::pair(lines, note);
  };
  const auto [early_lines, early_note] = means(0);
  const auto [late_lines, late_note] = means(5.9);
  EXPECT_NEAR(early_note, shortest_note, 3);
  EXPECT_NEAR(late_note, shortest_note * note_growth, 20);
  EXPECT_GT(early_lines, 2.5 * late_lines);
  // The bytes of an order stay about the same, so that nothing grows but the number of pinned size classes.
  const double early_bytes = early_lines * (early_note + item_overhead);
  EXPECT_NEAR(late_lines * (late_note + item_overhead) / early_bytes, 1, 0.1);
}

TEST(GeneratedOrders, CustomersAreZipf) {
  const GeneratedOrders orders(store(), 1);
  Order order;
  int first_hundred = 0;
  for (std::uint64_t i = 0; i < 5000; ++i) {
    orders.read(i, order);
    first_hundred += order.customer < 100 ? 1 : 0;
  }
  EXPECT_GT(first_hundred, 5000 / 10)
      << "one in six hundred customers should place far more than one in six hundred orders";
}

TEST(GeneratedOrders, ReadingAllocatesNothingOnceWarm) {
  const GeneratedOrders orders(store(), 1);
  Order order;
  order.lines.reserve(max_lines);
  const AllocationCounts before = thread_allocation_counts();
  for (std::uint64_t i = 0; i < 1000; ++i) orders.read(i, order);
  EXPECT_EQ(thread_allocation_counts().calls, before.calls);
}

class RecordedOrdersTest : public testing::Test {
 protected:
  RecordedOrdersTest()
      : file_(std::filesystem::temp_directory_path() / ("plateau-orders-" + std::to_string(::getpid()) + ".jsonl")) {}
  ~RecordedOrdersTest() override { std::filesystem::remove(file_); }
  void write(const std::string& text) { std::ofstream(file_, std::ios::trunc | std::ios::binary) << text; }
  std::string error_of(const std::string& text) {
    write(text);
    try {
      const RecordedOrders orders(store(), file_);
    } catch (const harness::UsageError& error) {
      return error.what();
    }
    return "accepted";
  }
  std::filesystem::path file_;
};

constexpr const char* good =
    R"({"customer": 17, "lines": [{"sku": "SKU-000123", "quantity": 2, "note": "ring twice"}, {"sku": "SKU-000001", "quantity": 1}]})";

TEST_F(RecordedOrdersTest, AreReplayedFromTheFirstAgain) {
  write(std::string(good) + "\n" + R"({"customer": 3, "lines": [{"sku": "SKU-000005", "quantity": 9}]})" + "\n");
  const RecordedOrders orders(store(), file_);
  ASSERT_EQ(orders.size(), 2U);
  Order order;
  orders.read(4, order);
  EXPECT_EQ(order.id, 4U);
  EXPECT_EQ(order.customer, 17U);
  ASSERT_EQ(order.lines.size(), 2U);
  EXPECT_EQ(order.lines[0].note, "ring twice");
  EXPECT_EQ(order.lines[0].unit_price_cents, store().find_product("SKU-000123")->price_cents);
  EXPECT_EQ(order.lines[1].note, "");
}

TEST_F(RecordedOrdersTest, AWrongLineIsNamedByItsNumberAndItsFault) {
  const std::string first = std::string(good) + "\n";
  const auto expect = [&](const std::string& line, const std::string& fault) {
    const std::string error = error_of(first + first + line);
    EXPECT_THAT(error, testing::HasSubstr("line 3: ")) << line;
    EXPECT_THAT(error, testing::HasSubstr(fault)) << line;
  };
  expect("{", "incomplete JSON");
  expect("\xff\xfe garbage", "syntax error");
  expect("[]", "not a JSON object");
  expect(R"({"lines": []})", "no \"customer\"");
  expect(R"({"customer": 1})", "no \"lines\"");
  expect(R"({"customer": 1, "lines": []})", "a line in it");
  expect(R"({"customer": -1, "lines": [{}]})", "\"customer\" is not a whole number");
  expect(R"({"customer": 99999999, "lines": [{}]})", "\"customer\" is not a whole number");
  expect(R"({"customer": 1, "lines": [{"sku": "SKU-x", "quantity": 1}]})", "not in the catalogue");
  expect(R"({"customer": 1, "lines": [{"sku": "SKU-000001", "quantity": 0}]})", "\"quantity\" is not a whole number");
  expect(R"({"customer": 1, "lines": [{"sku": "SKU-000001", "quantity": 1.5}]})", "\"quantity\" is not a whole number");
  expect(R"({"customer": 1, "lines": [{"sku": "SKU-000001", "quantity": 1, "note": 5}]})", "\"note\" is not a string");
  expect("\n", "incomplete JSON");
}

TEST_F(RecordedOrdersTest, AnEmptyMissingOrUnreadableFileIsRefused) {
  EXPECT_THAT(error_of(""), testing::HasSubstr("there is no order in it"));
  EXPECT_THROW(RecordedOrders(store(), "/no/such/file"), harness::UsageError);
  EXPECT_THROW(RecordedOrders(store(), std::filesystem::temp_directory_path()), harness::UsageError);
}

}  // namespace
}  // namespace plateau::order_service
