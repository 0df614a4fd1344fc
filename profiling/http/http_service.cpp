#include "profiling/http/http_service.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <memory_resource>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/write.hpp>

#include "profiling/http/counted.hpp"
#include "profiling/http/read_deadline.hpp"

namespace plateau {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto with_error = asio::as_tuple(asio::use_awaitable);

constexpr std::size_t piece_bytes = 16 * 1024;  // that are read at a time
constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::chrono::seconds longest_linger{5};
constexpr std::size_t most_lingering_bytes = 64 * 1024 * 1024;

template <class Body>
void set_fields(http::response<Body>& response, const HttpAnswer& answer) {
  response.set(http::field::content_type, answer.content_type);
  response.set("X-Content-Type-Options", "nosniff");
  response.set("X-Frame-Options", "DENY");  // a page of another site must not lead a click to a button here
  response.set(http::field::cache_control, "no-store");
  if (answer.status >= 400) response.set("X-Go-Pprof", "1");
  if (answer.retry_later) response.set(http::field::retry_after, "5");
  if (!answer.allow.empty()) response.set(http::field::allow, answer.allow);
  if (!answer.file_name.empty()) {
    response.set(http::field::content_disposition, "attachment; filename=\"" + answer.file_name + "\"");
  }
}

}  // namespace

HttpService::Connection::Connection(HttpService& service, tcp::socket socket)
    : stream(std::move(socket)),
      buffer(RequestReader::most_left(service.limits_) + piece_bytes),
      service_(service),
      place_(service.connections_.insert(service.connections_.end(), this)) {}

HttpService::Connection::~Connection() {
  if (!given_up_) service_.connections_.erase(place_);
}

void HttpService::Connection::give_up() {
  given_up_ = true;
  service_.connections_.erase(place_);
  stream.close();  // the coroutine ends with an error, a moment later
}

asio::awaitable<void> HttpService::accept(tcp::acceptor acceptor) {
  asio::steady_timer pause(acceptor.get_executor());
  for (;;) {
    bool accepted = false;
    try {
      auto [error, socket] = co_await acceptor.async_accept(with_error);
      accepted = !error;
      if (accepted) {
        ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
        make_room();
        // Else the new one is closed: all others have sent a request.
        if (connections_.size() < most_connections()) {
          asio::co_spawn(acceptor.get_executor(), serve(std::move(socket)), asio::detached);
        }
      }
    } catch (const std::bad_alloc&) {
      accepted = false;
    }
    if (accepted) continue;
    pause.expires_after(std::chrono::milliseconds(100));  // out of descriptors or memory: others must end first
    co_await pause.async_wait(with_error);
  }
}

// A client that holds a connection without asking for anything must not keep out one that asks.
void HttpService::make_room() {
  if (connections_.size() < most_connections()) return;
  const auto idle =
      std::find_if(connections_.begin(), connections_.end(), [](const Connection* one) { return one->waiting; });
  if (idle != connections_.end()) (*idle)->give_up();
}

asio::awaitable<void> HttpService::serve(tcp::socket socket) {
  try {
    Connection connection(*this, std::move(socket));
    Next next = Next::request;
    while (next == Next::request) {
      next = co_await exchange(connection);
      connection.arena.reset();
    }
    if (next == Next::linger) co_await linger(connection);
  } catch (const std::exception&) {
    // The client has left, or memory is short: this connection ends, the server goes on.
  }
}

// One request and its answer.
asio::awaitable<HttpService::Next> HttpService::exchange(Connection& connection) {
  const HttpAllocator memory(&handler_.memory_for_request(connection.arena));
  RequestReader reader(limits_, memory, bodies_);
  if (!co_await read(connection, reader)) co_return Next::nothing;
  if (reader.refusal()) {
    co_await write(connection, *reader.refusal(), 11, false, false);
    co_return Next::linger;
  }
  connection.waiting = false;
  const HttpRequest request = reader.release();
  const bool head_only = request.method() == http::verb::head;
  HttpAnswer made;  // no co_await in a conditional expression: GCC 12 destroys its result twice
  if (under_way_ < limits_.connections) {
    made = co_await answer(connection, request);
  } else {
    made = error_answer(503, "too many requests are under way; try again");
  }
  const bool keep_alive = request.keep_alive() && !made.stream;
  co_await write(connection, std::move(made), request.version(), head_only, keep_alive);
  connection.waiting = true;
  co_return keep_alive ? Next::request : Next::linger;
}

// False when there is nobody to answer: the client has left, or has sent nothing for as long as it may.
asio::awaitable<bool> HttpService::read(Connection& connection, RequestReader& reader) {
  bool begun = false;
  connection.stream.expires_never();
  ReadDeadline deadline(connection.stream.socket());
  deadline.set(limits_.to_send_request);
  for (;;) {
    const auto bytes = connection.buffer.cdata();
    connection.buffer.consume(reader.take({static_cast<const char*>(bytes.data()), bytes.size()}));
    if (reader.is_complete() || reader.refusal()) co_return true;
    if (reader.has_begun() && !begun) {
      begun = true;
      deadline.set(limits_.to_send_request);
    }
    if (reader.must_continue()) {
      const auto [error, written] = co_await asio::async_write(connection.stream, asio::buffer(go_on), with_error);
      if (error) co_return false;
    }
    const auto [error, count] =
        co_await connection.stream.async_read_some(connection.buffer.prepare(piece_bytes), with_error);
    if (deadline.has_passed() && begun) {
      reader.refuse(408, "the request did not arrive in time");
      co_return true;
    }
    if (error) co_return false;
    connection.buffer.commit(count);
  }
}

asio::awaitable<HttpAnswer> HttpService::answer(Connection& connection, const HttpRequest& request) {
  const Counted one(under_way_);
  std::optional<HttpAnswer> failed;
  try {
    co_return co_await handler_.answer(request, connection.stream.socket());
  } catch (const std::exception& error) {
    failed = error_answer(500, error.what());
  }
  co_return *std::move(failed);
}

asio::awaitable<void> HttpService::write(Connection& connection, HttpAnswer answer, unsigned version, bool head_only,
                                         bool keep_alive) {
  http::response<http::string_body> response(static_cast<http::status>(answer.status), version);
  set_fields(response, answer);
  response.keep_alive(keep_alive);
  if (answer.stream) {
    response.keep_alive(false);
  } else {
    response.body() = std::move(answer.body);
    response.prepare_payload();
  }

  connection.stream.expires_after(limits_.to_take_answer);
  http::response_serializer<http::string_body> serializer(response);
  if (head_only || answer.stream) {
    co_await http::async_write_header(connection.stream, serializer, asio::use_awaitable);
  } else {
    co_await http::async_write(connection.stream, serializer, asio::use_awaitable);
  }
  if (answer.stream && !head_only) co_await answer.stream(connection.stream);
}

// Closing with bytes unread would reset the connection, and the client could lose the answer. What it still sends is
// thrown away, for as long as no other connection needs the place.
asio::awaitable<void> HttpService::linger(Connection& connection) {
  error_code ignored;
  connection.stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
  connection.stream.expires_after(longest_linger);
  connection.buffer.clear();
  for (std::size_t drained = 0; drained < most_lingering_bytes;) {
    const auto [error, count] =
        co_await connection.stream.async_read_some(connection.buffer.prepare(piece_bytes), with_error);
    if (error) co_return;
    drained += count;
  }
}

HttpAnswer error_answer(unsigned status, std::string_view reason) {
  return {.status = status, .body = std::string(reason) + "\n", .retry_later = status == 503};
}

bool has_left(tcp::socket& client) {
  char byte = 0;
  const ssize_t received = ::recv(client.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return received == 0 || (received < 0 && errno != EAGAIN && errno != EINTR);
}

tcp::acceptor listen_on(asio::io_context& io, const ListenAddress& address) {
  try {
    return {io, tcp::endpoint(
                    asio::ip::make_address(address.host),
                    address.port)};  // with SO_REUSEADDR: a port in use is still refused, one that just ended is not
  } catch (const boost::system::system_error& error) {
    throw std::runtime_error("cannot listen on " + address.text + ": " + error.code().message());
  }
}

}  // namespace plateau
