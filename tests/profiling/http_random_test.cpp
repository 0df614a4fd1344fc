// Protects an HTTP service, and the program it runs in, from whatever a client sends: each request of a grammar gets
// the answer that it must get, what follows it on the connection is read as the next request and nothing else, memory
// stays within the limits' own bound, and the next client is served.
//
// PLATEAU_HTTP_REQUESTS says how many (2000), PLATEAU_HTTP_SEED with which seed to begin; a failure names its seed.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "allocators/allocation_counter.hpp"
#include "profiling/http/http_service.hpp"
#include "tests/profiling/http_grammar.hpp"
#include "tests/profiling/raw_http_client.hpp"
#include "tests/profiling/rules_handler.hpp"

namespace plateau::testing {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::seconds patience{60};  // for what must happen, at some time
constexpr std::string_view plain_request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

std::uint64_t number_in_environment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class RunningService {
 public:
  explicit RunningService(bool uses_arenas) {
    handler_.uses_arenas = uses_arenas;
    asio::ip::tcp::acceptor acceptor = listen_on(io_, parse_listen_address("127.0.0.1:0", false));
    port_ = acceptor.local_endpoint().port();
    asio::co_spawn(io_, service_.accept(std::move(acceptor)), asio::detached);
    thread_ = std::thread([this] { io_.run(); });
  }
  ~RunningService() {
    io_.stop();
    thread_.join();
  }
  RunningService(const RunningService&) = delete;
  RunningService& operator=(const RunningService&) = delete;

  std::uint16_t port() const { return port_; }

 private:
  RulesHandler handler_;
  HttpService service_{handler_};
  asio::io_context io_{1};  // ends before what its coroutines use
  std::uint16_t port_ = 0;
  std::thread thread_;
};

// In pieces of random size, so that the server has to stop anywhere.
bool send_in_pieces(RawHttpClient& client, std::string_view bytes, std::mt19937_64& random) {
  const std::size_t longest = random() % 3 == 0 ? 1 + random() % 64 : bytes.size() + 1;
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, bytes.size() > 4096 ? bytes.size() : 1 + random() % longest);
    if (!client.send(piece)) return false;
    bytes.remove_prefix(piece.size());
  }
  return true;
}

void send(RawHttpClient& client, const RepeatedText& text, std::mt19937_64& random) {
  if (text.times == 1) {
    send_in_pieces(client, text.text, random);
    return;
  }
  const std::size_t at_a_time = 1 + 10'000 / text.text.size();
  std::string several;
  for (std::size_t i = 0; i < at_a_time; ++i) several += text.text;
  for (std::size_t left = text.times; left > 0;) {
    const std::size_t now = std::min(left, at_a_time);
    if (!client.send(std::string_view(several).substr(0, now * text.text.size()))) return;
    left -= now;
  }
}

void expect_what_is_right(std::uint16_t port, std::uint64_t seed) {
  const GeneratedRequest request = generate_request(seed, HttpLimits());
  SCOPED_TRACE(fmt::format("seed {}: {}", seed, request.name));
  std::mt19937_64 random(seed);
  RawHttpClient client(port, patience);
  for (const RepeatedText& text : request.bytes) send(client, text, random);
  if (request.status != 0) send_in_pieces(client, plain_request, random);
  const std::vector<RawAnswer> answers = parse_answers(client.receive_all(), {request.is_head});
  const std::size_t expected = request.status == 0 ? 0 : request.stays_open ? 2 : 1;
  ASSERT_EQ(answers.size(), expected);
  if (expected == 0) return;
  EXPECT_EQ(answers[0].status, request.status) << answers[0].body;
  if (request.status == 200 && !request.is_head) {
    EXPECT_EQ(answers[0].body, text_for(request.body));
  }
  if (expected == 2) {
    EXPECT_EQ(answers[1].status, 200U) << "the request behind it; " << answers[1].body;
  }
}

void serve_random_requests(bool uses_arenas) {
  const std::uint64_t count = number_in_environment("PLATEAU_HTTP_REQUESTS", 2000) / 2;
  const std::uint64_t first =
      number_in_environment("PLATEAU_HTTP_SEED", std::random_device()()) + (uses_arenas ? count : 0);
  fmt::print("seeds {} to {}\n", first, first + count - 1);
  const RunningService service(uses_arenas);
  // The connection before this one may not be gone yet. The rest is the test's own: requests and texts that repeat.
  constexpr std::uint64_t allowed = 2 * HttpLimits().connection_bytes() + 2 * 1024 * 1024;
  const std::uint64_t live = allocation_counts().live_bytes();
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    ASSERT_NO_THROW(expect_what_is_right(service.port(), seed)) << "seed " << seed;
    RawHttpClient next(service.port(), patience);
    next.send(plain_request);
    ASSERT_EQ(parse_answers(next.receive_all()).at(0).status, 200U) << "after seed " << seed;
    ASSERT_LE(allocation_counts().peak_bytes, live + allowed) << "seed " << seed;
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(RandomHttp, IsAnsweredAsItMustBeWithinTheLimits) {
  serve_random_requests(false);
}

TEST(RandomHttp, IsAnsweredAsItMustBeFromArenas) {
  serve_random_requests(true);
}

}  // namespace
}  // namespace plateau::testing
