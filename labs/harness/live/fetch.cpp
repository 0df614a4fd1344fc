#include "labs/harness/live/fetch.hpp"

#include <chrono>
#include <string>

#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

namespace plateau::harness {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

namespace {

constexpr std::chrono::minutes longest_answer{11};  // a recording may take ten

// The name in `attachment; filename="NAME"`.
std::string file_name_of(std::string_view disposition) {
  const auto begin = disposition.find('"');
  const auto end = disposition.rfind('"');
  if (begin == std::string_view::npos || end <= begin) return {};
  return std::string(disposition.substr(begin + 1, end - begin - 1));
}

}  // namespace

asio::awaitable<HttpAnswer> fetch(std::uint16_t port, const HttpRequest& request) {
  beast::tcp_stream stream(co_await asio::this_coro::executor);
  stream.expires_after(longest_answer);
  co_await stream.async_connect(tcp::endpoint(asio::ip::address_v4::loopback(), port), asio::use_awaitable);

  http::request<http::string_body> handed_on(request.method(), request.target(), 11);
  handed_on.set(http::field::host, "127.0.0.1:" + std::to_string(port));
  for (const http::field field : {http::field::accept, http::field::content_type}) {
    if (request.count(field) > 0) handed_on.set(field, request[field]);
  }
  handed_on.keep_alive(false);
  handed_on.body() = request.body();
  handed_on.prepare_payload();
  co_await http::async_write(stream, handed_on, asio::use_awaitable);

  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(boost::none);
  parser.skip(request.method() == http::verb::head);
  co_await http::async_read(stream, buffer, parser, asio::use_awaitable);
  http::response<http::string_body> response = parser.release();
  const std::string_view allow = response[http::field::allow];
  co_return HttpAnswer{.status = response.result_int(),
                       .content_type = std::string(response[http::field::content_type]),
                       .body = std::move(response.body()),
                       .file_name = file_name_of(response[http::field::content_disposition]),
                       .allow = std::string(allow),
                       .retry_later = response.count(http::field::retry_after) > 0};
}

}  // namespace plateau::harness
