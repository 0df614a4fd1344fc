// Protects what the HTTP service promises to its handler and its clients: a limit of what is under way and of how long
// a request may take, memory of requests that is used again, answers that arrive, and no frames.
#include "profiling/http/http_service.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory_resource>
#include <semaphore>
#include <string>
#include <thread>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "allocators/arena.hpp"
#include "tests/profiling/http_client.hpp"
#include "tests/profiling/raw_http_client.hpp"

namespace plateau::testing {
namespace {

namespace asio = boost::asio;

// Answers what asks for /slow when it is released, and anything else at once.
class HandlerOfTheTest final : public HttpHandler {
 public:
  asio::awaitable<HttpAnswer> answer(const HttpRequest& request, asio::ip::tcp::socket& client) override {
    const auto* const arena = dynamic_cast<const Arena*>(request.get_allocator().resource());
    if (request.target() == "/slow") {
      asio::steady_timer timer(client.get_executor(), asio::steady_timer::time_point::max());
      slow_ = &timer;
      came_.release();
      co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
      co_return HttpAnswer{.body = has_left(client) ? "left" : "there"};
    }
    co_return HttpAnswer{.body = arena == nullptr ? "heap" : std::to_string(arena->statistics().reserved_bytes)};
  }
  std::pmr::memory_resource& memory_for_request(std::pmr::memory_resource& until_answered) override {
    return uses_arenas ? until_answered : *std::pmr::new_delete_resource();
  }

  void wait_until_asked() { came_.acquire(); }
  // On the service's thread.
  void release() { slow_->cancel(); }

  std::atomic<bool> uses_arenas{false};

 private:
  asio::steady_timer* slow_ = nullptr;
  std::counting_semaphore<> came_{0};
};

class HttpServiceTest : public ::testing::Test {
 protected:
  HttpServiceTest() : service_(handler_, {.connections = 1, .to_send_request = std::chrono::seconds(1)}) {
    asio::ip::tcp::acceptor acceptor = listen_on(io_, parse_listen_address("127.0.0.1:0", false));
    port_ = acceptor.local_endpoint().port();
    asio::co_spawn(io_, service_.accept(std::move(acceptor)), asio::detached);
    thread_ = std::thread([this] { io_.run(); });
  }
  ~HttpServiceTest() override {
    io_.stop();
    thread_.join();
  }

  HandlerOfTheTest handler_;
  HttpService service_;
  asio::io_context io_{1};  // ends before what its coroutines use
  std::uint16_t port_ = 0;
  std::thread thread_;
};

TEST_F(HttpServiceTest, MoreThanItMayHaveUnderWayIsToldToComeAgain) {
  HttpClient first(port_);
  first.send(request("GET", "/slow"));
  handler_.wait_until_asked();
  HttpClient second(port_);
  second.send(request("GET", "/"));
  const HttpReply refused = second.receive();
  EXPECT_EQ(refused.result_int(), 503U);
  EXPECT_FALSE(refused["Retry-After"].empty());
  asio::post(io_, [this] { handler_.release(); });
  EXPECT_EQ(first.receive().body(), "there");
  second.send(request("GET", "/"));
  EXPECT_EQ(second.receive().result_int(), 200U) << "on the connection that was refused";
}

TEST_F(HttpServiceTest, APageOfAnotherSiteCannotFrameAnswers) {
  EXPECT_EQ(get(port_, "/")["X-Frame-Options"], "DENY");
}

TEST_F(HttpServiceTest, AClientThatWaitsIsToldToGoOn) {
  HttpClient client(port_);
  client.send("POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(client.receive().result_int(), 100U);
  client.send("abc");
  EXPECT_EQ(client.receive().result_int(), 200U);
}

TEST_F(HttpServiceTest, ARequestThatDoesNotEndIsToldSo) {
  HttpClient client(port_);
  client.send("GET / HTTP/1.1\r\nHost: local");
  EXPECT_EQ(client.receive().result_int(), 408U);
  EXPECT_THROW(client.receive(), boost::system::system_error) << "closed";
}

// A byte now and then does not prolong it.
TEST_F(HttpServiceTest, ARequestThatComesByBytesIsToldSoToo) {
  RawHttpClient client(port_, std::chrono::seconds(60));
  client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
  while (client.send("x") && !client.has_received()) std::this_thread::yield();
  EXPECT_EQ(parse_answers(client.receive_all()).at(0).status, 408U);
}

TEST_F(HttpServiceTest, AConnectionThatIsNotUsedIsClosedWithoutAWord) {
  HttpClient client(port_);
  client.send(request("GET", "/"));
  EXPECT_EQ(client.receive().result_int(), 200U);
  EXPECT_THROW(client.receive(), boost::system::system_error);
}

// Closing a connection with bytes unread resets it, and the answer can be lost.
TEST_F(HttpServiceTest, ARefusalArrivesAlthoughTheClientSendsOn) {
  RawHttpClient client(port_, std::chrono::seconds(60));
  client.send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n");
  const std::string trailers = [] {
    std::string text;
    for (int i = 0; i < 10'000; ++i) text += "X: y\r\n";
    return text;
  }();
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(client.send(trailers));
  EXPECT_EQ(parse_answers(client.receive_all()).at(0).status, 431U);
}

TEST_F(HttpServiceTest, ARequestIsInTheMemoryThatTheHandlerWants) {
  EXPECT_EQ(get(port_, "/").body(), "heap");
  handler_.uses_arenas = true;
  HttpClient client(port_);
  const auto held = [&](const std::string& body) {
    client.send(request("POST", "/", {}, body));
    return client.receive().body();
  };
  const std::string small = held("small");
  ASSERT_NE(small, "heap");
  EXPECT_GT(std::stoul(held(std::string(200'000, 'x'))), 200'000U);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(held("small"), small) << "the arena begins anew, and the large block is gone";
}

}  // namespace
}  // namespace plateau::testing
