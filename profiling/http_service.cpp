#include "profiling/http_service.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <memory_resource>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include "profiling/counted.hpp"

namespace plateau {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto with_error = asio::as_tuple(asio::use_awaitable);

// What to tell a client whose request could not be read; no status when there is nobody to tell.
std::optional<HttpAnswer> refuse_unreadable(error_code error) {
  if (error == http::error::header_limit) return error_answer(431, "the request's head is too large");
  if (error == http::error::body_limit) return error_answer(413, "the request's body is too large");
  if (error == beast::error::timeout) return error_answer(408, "the request did not arrive in time");
  if (error == http::error::end_of_stream || error == http::error::partial_message) return std::nullopt;
  if (error.category() == make_error_code(http::error::bad_method).category()) {
    return error_answer(400, "the request is no HTTP: " + error.message());
  }
  return std::nullopt;
}

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
    while (co_await exchange(connection)) connection.arena.reset();
  } catch (const std::exception&) {
    // The client has left, or memory is short: this connection ends, the server goes on.
  }
}

// One request and its answer; whether there may be another on this connection.
asio::awaitable<bool> HttpService::exchange(Connection& connection) {
  const HttpAllocator memory(handler_.reads_into_arenas() ? &connection.arena : std::pmr::new_delete_resource());
  http::request_parser<HttpRequestBody, HttpAllocator> parser(std::piecewise_construct, std::make_tuple(memory),
                                                              std::make_tuple(memory));
  parser.header_limit(limits_.head_bytes);
  parser.body_limit(limits_.body_bytes);
  connection.stream.expires_after(limits_.to_send_request);
  const auto [error, bytes] = co_await http::async_read(connection.stream, connection.buffer, parser, with_error);
  if (error) {
    if (auto refusal = refuse_unreadable(error)) {
      co_await write(connection, std::move(*refusal), 11, false, false);
    }
    co_return false;
  }
  connection.waiting = false;
  const HttpRequest request = parser.release();
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
  co_return keep_alive;
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
  if (keep_alive) co_return;
  // Closing with bytes unread would reset the connection, and the client could lose the answer.
  error_code ignored;
  connection.stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
  connection.waiting = true;
  connection.stream.expires_after(std::chrono::seconds(1));
  for (std::size_t drained = 0; drained < limits_.body_bytes;) {
    const auto [error, bytes] =
        co_await connection.stream.async_read_some(connection.buffer.prepare(limits_.head_bytes), with_error);
    if (error) co_return;
    drained += bytes;
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

tcp::acceptor listen_on(asio::io_context& io, const tcp::endpoint& endpoint, const std::string& address) {
  try {
    return {io, endpoint};  // with SO_REUSEADDR: a port in use is still refused, one that just ended is not
  } catch (const boost::system::system_error& error) {
    throw std::runtime_error("cannot listen on " + address + ": " + error.code().message());
  }
}

}  // namespace plateau
