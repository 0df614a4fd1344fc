// Protects the wire: whatever the sizes, every confirmation arrives whole, and each that is to be acknowledged is,
// once.
#include "labs/order_service/downstream.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "labs/order_service/calibration.hpp"

namespace plateau::order_service {
namespace {

TEST(Downstream, AcknowledgesEachOrderOnceButForThoseThatNeverAre) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  const std::vector<int> served{pair[1]};
  std::thread downstream([&served] { serve_downstream(served); });

  std::set<OrderId> expected;
  std::set<OrderId> got;
  std::vector<OrderId> buffer(256);
  const auto take = [&] {
    const std::size_t count = receive_acknowledgements(pair[0], buffer);
    for (std::size_t i = 0; i < count; ++i) EXPECT_TRUE(got.insert(buffer[i]).second) << "acknowledged twice";
  };
  for (OrderId id = 0; id < 3000; ++id) {
    if (is_acknowledged(id)) expected.insert(id);
    send_confirmation(pair[0], id, std::string(id % 7 == 0 ? 0 : id * 37 % 100'000, 'x'));
    take();
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (got.size() < expected.size() && std::chrono::steady_clock::now() < deadline) {
    take();
    std::this_thread::yield();
  }
  EXPECT_EQ(got, expected);
  EXPECT_NEAR(static_cast<double>(expected.size()) / 3000, 1 - never_acknowledged_per_mille / 1000.0, 0.05);
  ::close(pair[0]);
  downstream.join();
  ::close(pair[1]);
}

TEST(Downstream, AClosedPeerIsAnErrorAndNoSignal) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  ::close(pair[1]);
  EXPECT_THROW(send_confirmation(pair[0], 1, "x"), std::system_error);
  ::close(pair[0]);
}

}  // namespace
}  // namespace plateau::order_service
