#include "labs/live/fetch.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <variant>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include "profiling/http/http_service.hpp"

namespace plateau::harness {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

namespace {

constexpr std::chrono::seconds between_looks_at_a_client{1};  // who only half-closes gets what comes before the first

asio::awaitable<void> until_left(tcp::socket& client) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  do {
    timer.expires_after(between_looks_at_a_client);
    co_await timer.async_wait(asio::use_awaitable);
  } while (!has_left(client));
}

// The name in `attachment; filename="NAME"`.
std::string file_name_of(std::string_view disposition) {
  const auto begin = disposition.find('"');
  const auto end = disposition.rfind('"');
  if (begin == std::string_view::npos || end <= begin) return {};
  return std::string(disposition.substr(begin + 1, end - begin - 1));
}

}  // namespace

asio::awaitable<beast::tcp_stream> Upstream::connection(std::uint16_t port) {
  while (!idle_.empty() && idle_.front().since + kept < Clock::now()) idle_.pop_front();
  const auto found = std::find_if(idle_.begin(), idle_.end(), [port](const Idle& one) { return one.port == port; });
  if (found != idle_.end()) {
    beast::tcp_stream stream = std::move(found->stream);
    idle_.erase(found);
    co_return std::move(stream);
  }
  beast::tcp_stream stream(co_await asio::this_coro::executor);
  co_await stream.async_connect(tcp::endpoint(asio::ip::address_v4::loopback(), port), asio::use_awaitable);
  co_return std::move(stream);
}

asio::awaitable<HttpAnswer> Upstream::fetch_while_awaited(std::uint16_t port, const HttpRequest& request,
                                                          std::chrono::seconds longest, tcp::socket& client) {
  using namespace asio::experimental::awaitable_operators;
  auto first = co_await (attempt(port, request, longest) || until_left(client));
  if (first.index() == 1) throw boost::system::system_error(asio::error::connection_aborted);
  Attempt made = std::get<0>(std::move(first));
  if (made.failed) std::rethrow_exception(made.failed);
  co_return std::move(made.answer);
}

// The operator || waits for the first that succeeds: an error must be a result.
asio::awaitable<Upstream::Attempt> Upstream::attempt(std::uint16_t port, const HttpRequest& request,
                                                     std::chrono::seconds longest) {
  Attempt made;
  try {
    made.answer = co_await fetch(port, request, longest);
  } catch (...) {
    made.failed = std::current_exception();
  }
  co_return std::move(made);
}

asio::awaitable<HttpAnswer> Upstream::fetch(std::uint16_t port, const HttpRequest& request,
                                            std::chrono::seconds longest) {
  beast::tcp_stream stream = co_await connection(port);
  stream.expires_after(longest);
  const http::verb method = request.method() == http::verb::head ? http::verb::get : request.method();
  http::request<http::string_body> handed_on(method, request.target(), 11);
  handed_on.set(http::field::host, "127.0.0.1:" + std::to_string(port));
  for (const http::field field : {http::field::accept, http::field::content_type}) {
    if (request.count(field) > 0) handed_on.set(field, request[field]);
  }
  handed_on.body().assign(request.body());
  handed_on.prepare_payload();
  co_await http::async_write(stream, handed_on, asio::use_awaitable);

  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(boost::none);
  co_await http::async_read(stream, buffer, parser, asio::use_awaitable);
  http::response<http::string_body> response = parser.release();
  if (response.keep_alive() && buffer.size() == 0 && idle_.size() < most_idle) {
    stream.expires_never();
    idle_.push_back({port, Clock::now(), std::move(stream)});
  }
  const std::string_view allow = response[http::field::allow];
  co_return HttpAnswer{.status = response.result_int(),
                       .content_type = std::string(response[http::field::content_type]),
                       .body = std::move(response.body()),
                       .file_name = file_name_of(response[http::field::content_disposition]),
                       .allow = std::string(allow),
                       .retry_later = response.count(http::field::retry_after) > 0};
}

}  // namespace plateau::harness
