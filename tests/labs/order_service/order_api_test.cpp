// Protects orders from outside: they are handled as any other and can be asked for, bad ones are refused with the
// reason, and what was acknowledged is not lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <boost/json.hpp>

#include "tests/labs/served_lab.hpp"
#include "tests/profiling/flood.hpp"

namespace plateau::testing {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

// One service for all tests that leave it as they found it.
class ServeOrders : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { lab_ = std::make_unique<ServedLab>(ORDER_SERVICE, std::vector<std::string>{}); }
  static void TearDownTestSuite() {
    EXPECT_EQ(lab_->interrupt(), 0);
    lab_.reset();
  }

  static std::unique_ptr<ServedLab> lab_;
};
std::unique_ptr<ServedLab> ServeOrders::lab_;

constexpr std::string_view good_order =
    R"({"customer": 17, "lines": [{"sku": "SKU-000123", "quantity": 2, "note": "leave with the neighbour"}]})";

HttpReply post_orders(std::uint16_t port, std::string_view body) {
  HttpClient client(port);
  client.send(request("POST", "/api/orders", {}, body));
  return client.receive();
}

TEST_F(ServeOrders, RequestsThatDoNotEndTakeNoMemory) {
  for (const Flood& flood : floods("/api/orders")) {
    const FloodCost cost = send_flood(flood, lab_->port(), lab_->program().pid());
    EXPECT_THAT(cost.status, ::testing::AnyOf(413U, 431U)) << flood.name;
    EXPECT_LT(cost.grown_kb, 16 * 1024) << flood.name;
  }
}

TEST_F(ServeOrders, OrdersFromOutsideAreHandledAndCanBeAskedFor) {
  const HttpReply one = post_orders(lab_->port(), good_order);
  ASSERT_EQ(one.result_int(), 200U) << one.body();
  const json::value first = json::parse(one.body()).at("orders").at(0);
  EXPECT_GT(first.at("total_cents").to_number<int>(), 0);
  const HttpReply more = post_orders(lab_->port(), "[" + std::string(good_order) + "," + std::string(good_order) + "]");
  ASSERT_EQ(more.result_int(), 200U) << more.body();
  const json::value orders = json::parse(more.body()).at("orders");
  ASSERT_EQ(orders.as_array().size(), 2U);
  EXPECT_NE(orders.at(0).at("order_id"), orders.at(1).at("order_id"));

  const auto number = [](const json::value& order) {
    return std::to_string(order.at("order_id").to_number<std::uint64_t>());
  };
  const std::string ids = number(first) + "," + number(orders.at(0)) + ",999999999999," + number(orders.at(1));
  const json::value found = json::parse(get(lab_->port(), "/api/orders?ids=" + ids).body());
  EXPECT_EQ(found.at("orders"), (json::array{first, orders.at(0), orders.at(1)}));
  EXPECT_EQ(found.at("missing").at(0).to_number<std::uint64_t>(), 999999999999U);
  EXPECT_EQ(get(lab_->port(), "/api/orders").result_int(), 200U) << "the newest";
}

TEST_F(ServeOrders, OrdersThatAreNoneAreRefusedWithTheReason) {
  const auto with_line = [](std::string_view line) {
    return R"({"customer": 17, "lines": [)" + std::string(line) + "]}";
  };
  const std::vector<std::pair<std::string, const char*>> bad{
      {"", "no JSON"},
      {"{", "no JSON"},
      {"17", "not a JSON object"},
      {"[]", "no order in the array"},
      {"{}", "no \"customer\""},
      {R"({"customer": 1e9, "lines": []})", "\"customer\""},
      {R"({"customer": 17, "lines": []})", "\"lines\""},
      {with_line(R"({"sku": "nonsense", "quantity": 1})"), "not in the catalogue"},
      {with_line(R"({"sku": "SKU-000123", "quantity": 0})"), "\"quantity\""},
      {with_line(R"({"sku": "SKU-000123", "quantity": 1, "note": ")" + std::string(5000, 'x') + R"("})"), "a note"},
      {"[" + std::string(good_order) + ", {}]", "order 1: no \"customer\""},
  };
  for (const auto& [body, reason] : bad) {
    const HttpReply reply = post_orders(lab_->port(), body);
    EXPECT_EQ(reply.result_int(), 400U) << body.substr(0, 100);
    EXPECT_THAT(std::string(json::parse(reply.body()).at("error").as_string()), HasSubstr(reason));
  }
  EXPECT_EQ(get(lab_->port(), "/api/orders?ids=").result_int(), 400U);
  EXPECT_EQ(get(lab_->port(), "/api/orders?ids=1,x").result_int(), 400U);
  EXPECT_EQ(get(lab_->port(), "/api/nonsense").result_int(), 404U);
  EXPECT_EQ(post_orders(lab_->port(), std::string((1 << 20) + 1, ' ')).result_int(), 413U);
}

// Many at once, more than there is room for: each is either handled, and then found again, or refused as a whole.
TEST_F(ServeOrders, WhatWasAcknowledgedUnderOverloadIsThere) {
  std::string body = "[";
  for (int i = 0; i < 256; ++i) body += (i > 0 ? "," : "") + std::string(good_order);
  body += "]";
  constexpr int clients = 24;  // 6144 orders, of which 2048 can wait
  std::vector<std::thread> threads;
  std::array<HttpReply, clients> replies;
  for (HttpReply& reply : replies) threads.emplace_back([&] { reply = post_orders(lab_->port(), body); });
  for (std::thread& thread : threads) thread.join();
  int handled = 0;
  for (const HttpReply& reply : replies) {
    if (reply.result_int() == 503U) {
      EXPECT_FALSE(reply["Retry-After"].empty());
      continue;
    }
    ASSERT_EQ(reply.result_int(), 200U) << reply.body();
    ++handled;
    const json::value orders = json::parse(reply.body()).at("orders");
    ASSERT_EQ(orders.as_array().size(), 256U);
    std::string ids;
    for (const json::value& order : orders.as_array()) {
      ids += (ids.empty() ? "" : ",") + std::to_string(order.at("order_id").to_number<std::uint64_t>());
    }
    EXPECT_EQ(json::parse(get(lab_->port(), "/api/orders?ids=" + ids).body()).at("orders"), orders);
  }
  EXPECT_GT(handled, 0);
  EXPECT_LT(handled, clients) << "there is no room for all";
}

// One knob is switched both ways, and what was handled before is still there.
TEST_F(ServeOrders, SwitchingAFixLosesNoOrder) {
  const json::value order = json::parse(post_orders(lab_->port(), good_order).body()).at("orders").at(0);
  const std::string id = std::to_string(order.at("order_id").to_number<std::uint64_t>());
  EXPECT_EQ(lab_->turn("load", R"({"value": 0})").result_int(), 200U);
  for (const std::string fix : {"lifetimes", "outbox"}) {
    for (const char* const body : {R"({"value": true})", R"({"value": false})"}) {
      EXPECT_EQ(lab_->turn("fix-" + fix, body).result_int(), 200U);
      EXPECT_EQ(json::parse(get(lab_->port(), "/api/orders?ids=" + id).body()).at("orders"), (json::array{order}))
          << fix << body;
      const std::string metrics = get(lab_->port(), "/metrics").body();
      constexpr std::string_view entries = "\nplateau_lab{figure=\"outbox entries\"} ";
      const std::size_t at = metrics.find(entries);
      ASSERT_NE(at, std::string::npos);
      EXPECT_GT(std::stod(metrics.substr(at + entries.size())), 0) << fix << body << ": some are never acknowledged";
    }
  }
  EXPECT_EQ(lab_->turn("load", R"({"value": 500})").result_int(), 200U);
}

// Requests and their documents are in arenas then (see HttpServiceTest); that the answers are the same is shown here.
TEST_F(ServeOrders, OrdersAreAnsweredAlikeWithAndWithoutArenas) {
  const auto total = [&](const HttpReply& reply) {
    return json::parse(reply.body()).at("orders").at(0).at("total_cents");
  };
  const json::value before = total(post_orders(lab_->port(), good_order));
  EXPECT_EQ(lab_->turn("fix-buffers", R"({"value": true})").result_int(), 200U);
  HttpClient client(lab_->port());
  for (int i = 0; i < 20; ++i) {
    client.send(request("POST", "/api/orders", {}, good_order));
    EXPECT_EQ(total(client.receive()), before);
    client.send(request("POST", "/api/orders", {}, "{"));
    EXPECT_EQ(client.receive().result_int(), 400U);
  }
  EXPECT_EQ(lab_->turn("fix-buffers", R"({"value": false})").result_int(), 200U);
}

}  // namespace
}  // namespace plateau::testing
