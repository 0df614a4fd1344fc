// Whatever a client sends, in whatever pieces: the connection ends once the client has nothing more to say, holds no
// more memory than its limits say, every byte that comes back is part of a well-formed answer, of which there is one
// for each request and at most one refusal, and the requests are the same however they are cut.
//
// The first byte says by its lowest three bits into how many pieces the rest is cut, and by the next one whether
// requests are read into arenas; as many bytes follow, each the length of a piece; then the bytes that are sent.
#include <poll.h>
#include <sanitizer/allocator_interface.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory_resource>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "profiling/http/http_service.hpp"
#include "tests/profiling/raw_http_client.hpp"
#include "tests/profiling/rules_handler.hpp"

namespace {

using namespace plateau;
namespace asio = boost::asio;
using asio::ip::tcp;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "connection_fuzz: %s\n", what);
  std::abort();
}

// Of the heap, by every allocation of this process, which has one thread.
std::int64_t live_bytes = 0;
std::int64_t peak_bytes = 0;

void count_allocation(const volatile void* /*block*/, std::size_t bytes) {
  live_bytes += static_cast<std::int64_t>(bytes);
  peak_bytes = std::max(peak_bytes, live_bytes);
}

void count_release(const volatile void* block) {
  if (block == nullptr) return;
  live_bytes -= static_cast<std::int64_t>(__sanitizer_get_allocated_size(const_cast<const void*>(block)));
}

// Small, so that a short input reaches them.
constexpr HttpLimits limits{
    .head_bytes = 1024, .body_bytes = 8192, .framing_bytes = 512, .fields = 20, .all_bodies_bytes = 7000};

constexpr std::string_view smallest_request = "A / HTTP/1.1\r\n\r\n";
constexpr std::size_t most_input_bytes = 100'000;

struct Handled {
  bool is_head = false;
  std::size_t digest = 0;
  bool operator==(const Handled&) const = default;
};

class RememberingHandler final : public HttpHandler {
 public:
  std::pmr::memory_resource& memory_for_request(std::pmr::memory_resource& until_answered) override {
    return uses_arenas ? until_answered : *std::pmr::new_delete_resource();
  }
  asio::awaitable<HttpAnswer> answer(const HttpRequest& request, tcp::socket& client) override {
    const std::hash<std::string_view> digest;
    std::size_t all = digest(request.method_string()) ^ digest(request.body());
    all = all * 31 + digest(request.target());
    for (const auto& field : request) all = (all * 31 + digest(field.name_string())) * 31 + digest(field.value());
    require(handled.size() < handled.capacity(), "more requests than fit into the input");
    handled.push_back({request.method() == boost::beast::http::verb::head, all});
    co_return co_await rules_.answer(request, client);
  }

  bool uses_arenas = false;
  std::vector<Handled> handled;

 private:
  testing::RulesHandler rules_;
};

// A service, and clients of it, on one thread.
class Loopback {
 public:
  Loopback() {
    tcp::acceptor acceptor = listen_on(io_, parse_listen_address("127.0.0.1:0", false));
    endpoint_ = acceptor.local_endpoint();
    asio::co_spawn(io_, service_.accept(std::move(acceptor)), asio::detached);
    received_.reserve(most_input_bytes / smallest_request.size() * 1024);
    handler_.handled.reserve(most_input_bytes / smallest_request.size() + 1);
    io_.poll();
  }

  void use_arenas(bool uses) { handler_.uses_arenas = uses; }

  // The requests of the last connection that the handler has seen.
  const std::vector<Handled>& handled() const { return handler_.handled; }

  // Opens a connection.
  void connect() {
    received_.clear();
    handler_.handled.clear();
    client_ = tcp::socket(io_);
    client_.connect(endpoint_);
    client_.set_option(tcp::no_delay(true));
    client_.set_option(asio::socket_base::linger(true, 0));  // no port is kept at its end
    client_.non_blocking(true);
    settle([this] { return service_.connections() == 1; });
  }

  // Returns false once the server has closed.
  bool send(std::string_view bytes) {
    bool open = true;
    settle([&] {
      const ssize_t sent = ::send(client_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent >= 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
      open = sent >= 0 || errno == EAGAIN || errno == EINTR;
      return bytes.empty() || !open;
    });
    return open;
  }

  // Has nothing more to say: the server must find an end.
  std::string_view finish() {
    boost::system::error_code ignored;
    client_.shutdown(tcp::socket::shutdown_send, ignored);
    settle([this] { return service_.connections() == 0; });
    receive();
    client_.close(ignored);
    return received_;
  }

 private:
  // Lets the server run until `is_reached`. It has no reason to wait for its clock.
  template <class Reached>
  void settle(Reached is_reached) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    for (std::size_t idle = 0; !is_reached();) {
      const bool moved = io_.poll() > 0 || receive();
      idle = moved ? 0 : idle + 1;
      if (idle < 100) continue;
      require(std::chrono::steady_clock::now() < deadline, "the connection does not end");
      pollfd client{.fd = client_.native_handle(), .events = POLLIN, .revents = 0};
      ::poll(&client, 1, 1);
    }
    while (io_.poll() > 0) receive();
  }

  bool receive() {
    std::array<char, 4096> piece;
    const ssize_t received = ::recv(client_.native_handle(), piece.data(), piece.size(), MSG_DONTWAIT);
    if (received <= 0) return false;
    require(received_.size() + static_cast<std::size_t>(received) <= received_.capacity(), "the answers have no end");
    received_.append(piece.data(), static_cast<std::size_t>(received));
    return true;
  }

  RememberingHandler handler_;
  HttpService service_{handler_, limits};
  asio::io_context io_{1};  // ends before what its coroutines use
  tcp::endpoint endpoint_;
  tcp::socket client_{io_};
  std::string received_;
};

Loopback& loopback() {
  static Loopback one;
  return one;
}

struct Input {
  bool uses_arenas = false;
  std::string_view lengths;  // of pieces
  std::string_view bytes;
};

Input read_input(std::string_view bytes) {
  if (bytes.empty()) return {};
  const auto first = static_cast<unsigned char>(bytes.front());
  const std::string_view rest = bytes.substr(1);
  const std::size_t pieces = std::min<std::size_t>(first & 7U, rest.size());
  return {(first & 8U) != 0, rest.substr(0, pieces), rest.substr(pieces)};
}

void talk(Loopback& server, std::string_view lengths, std::string_view bytes) {
  peak_bytes = live_bytes;
  const std::int64_t before = live_bytes;
  server.connect();
  bool open = true;
  for (const char length : lengths) {
    const std::string_view piece = bytes.substr(0, static_cast<unsigned char>(length));
    bytes.remove_prefix(piece.size());
    open = open && (piece.empty() || server.send(piece));
  }
  if (open && !bytes.empty()) server.send(bytes);
  const std::string_view received = server.finish();
  require(peak_bytes - before <= static_cast<std::int64_t>(limits.connection_bytes()),
          "a connection takes more memory than its limits say");
  std::vector<bool> heads;
  for (const Handled& one : server.handled()) heads.push_back(one.is_head);
  const std::size_t answers = testing::parse_answers(received, heads).size();
  require(answers == heads.size() || answers == heads.size() + 1, "not one answer for each request");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > most_input_bytes) return -1;
  Loopback& server = loopback();
  static const int hooked = __sanitizer_install_malloc_and_free_hooks(count_allocation, count_release);
  require(hooked > 0, "allocations cannot be counted");
  const Input input = read_input({reinterpret_cast<const char*>(data), size});
  server.use_arenas(input.uses_arenas);
  talk(server, {}, input.bytes);
  if (input.lengths.empty()) return 0;
  const std::vector<Handled> whole = server.handled();
  talk(server, input.lengths, input.bytes);
  require(server.handled() == whole, "the requests depend on how they are cut");
  return 0;
}
