// Protects the text that queries name past orders by: it is read as it was written, and nothing else is.
#include "labs/order_service/past_order_id.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace plateau::order_service {
namespace {

std::string text_of(std::uint32_t number) {
  PastOrderId id;
  write_past_order_id(number, id);
  return {id, past_order_id_length};
}

TEST(PastOrderId, HasLeadingZerosAndAlwaysTheSameLength) {
  EXPECT_EQ(text_of(12'345'678), "shop-eu-central-1/order/000012345678");
  EXPECT_EQ(text_of(0), "shop-eu-central-1/order/000000000000");
}

TEST(PastOrderId, IsReadAsItWasWritten) {
  for (const std::uint32_t number : {0U, 1U, 10'000'000U, std::numeric_limits<std::uint32_t>::max()}) {
    EXPECT_EQ(read_past_order_id(text_of(number)), number);
  }
}

TEST(PastOrderId, OtherTextsAreNone) {
  const std::string id = text_of(7);
  EXPECT_EQ(read_past_order_id(""), std::nullopt);
  EXPECT_EQ(read_past_order_id(std::string_view(id).substr(1)), std::nullopt);
  EXPECT_EQ(read_past_order_id(id + "0"), std::nullopt);
  for (const char wrong : {' ', '-', 'x'}) {
    std::string other = id;
    other.back() = wrong;
    EXPECT_EQ(read_past_order_id(other), std::nullopt) << other;
  }
}

}  // namespace
}  // namespace plateau::order_service
