// Protects --address of an experiment: while an arm runs, its profiles, its footprint with what the lab counts itself,
// and its metrics are served.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>

#include <boost/json.hpp>

#include "tests/profiling/http_client.hpp"
#include "tests/support/child_program.hpp"

namespace plateau::testing {
namespace {

using ::testing::HasSubstr;

class AddressOption : public ::testing::TestWithParam<const char*> {};

TEST_P(AddressOption, ServesTheRunningArm) {
  const auto port = static_cast<std::uint16_t>(20000 + ::getpid() % 10000);
  const std::string address = "127.0.0.1:" + std::to_string(port);
  ChildProgram lab(
      {ORDER_SERVICE, "run", "--fix", "all", "--hours", "200", "--allocator", GetParam(), "--address", address});
  lab.close_input();
  unsigned status = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (status != 200 && std::chrono::steady_clock::now() < deadline) {
    try {
      status = get(port, "/metrics").result_int();
    } catch (const boost::system::system_error&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));  // it does not listen yet
    }
  }
  ASSERT_EQ(status, 200U);
  const boost::json::value footprint = boost::json::parse(get(port, "/debug/footprint").body());
  EXPECT_GT(footprint.at("steps").at("requested").to_number<std::uint64_t>(), 0U);
  HttpReply heap;  // its first blocks may not be sampled yet
  do {
    heap = get(port, "/debug/pprof/heap?debug=1");
    ASSERT_EQ(heap.result_int(), 200U) << heap.body();
  } while (heap.body().find("order_service::") == std::string::npos && std::chrono::steady_clock::now() < deadline);
  EXPECT_THAT(heap.body(), HasSubstr("order_service::")) << "frames of the lab";
  lab.signal(SIGINT);
  EXPECT_EQ(lab.wait(), 128 + SIGINT);
}

INSTANTIATE_TEST_SUITE_P(All, AddressOption, ::testing::Values("jemalloc", "tcmalloc", "glibc"));

TEST(AddressOption, AnAddressThatCannotBeHadIsOneLine) {
  const Finished malformed = run(ORDER_SERVICE, {"run", "--address", "nonsense"});
  EXPECT_EQ(malformed.status, 2);
  EXPECT_EQ(malformed.error, "order_service: --address nonsense: give ADDRESS:PORT such as 127.0.0.1:6060\n");
}

}  // namespace
}  // namespace plateau::testing
