// What an HTTP service is asked and what it answers.
#pragma once

#include <exception>
#include <functional>
#include <memory_resource>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

namespace plateau {

// Its fields and its body are in the memory that their allocator says: request.get_allocator().resource().
using HttpAllocator = std::pmr::polymorphic_allocator<char>;
using HttpRequestBody = boost::beast::http::basic_string_body<char, std::char_traits<char>, HttpAllocator>;
using HttpRequest = boost::beast::http::request<HttpRequestBody, boost::beast::http::basic_fields<HttpAllocator>>;

struct HttpAnswer {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body = {};
  std::string file_name = {};  // under which a browser saves it; empty: shown
  std::string allow = {};      // of 405: the methods that are allowed
  bool retry_later = false;
  // In place of `body`: writes one that has no end of its own, until it returns or throws. The connection is then
  // closed.
  std::function<boost::asio::awaitable<void>(boost::beast::tcp_stream& client)> stream = {};
};

// An error as Go's net/http/pprof gives it: one line of text.
HttpAnswer error_answer(unsigned status, std::string_view reason);

// Answers requests, each in a coroutine of its own, all of them on the executor of the service.
class HttpHandler {
 public:
  HttpHandler() = default;
  virtual ~HttpHandler() = default;
  HttpHandler(const HttpHandler&) = delete;
  HttpHandler& operator=(const HttpHandler&) = delete;

  // Says where the fields and the body of a connection's next request are put: the heap, or `until_answered`, an arena
  // of the connection's, which is reset when the request has been answered. Asked before each request is read.
  virtual std::pmr::memory_resource& memory_for_request(std::pmr::memory_resource& /*until_answered*/) {
    return *std::pmr::new_delete_resource();
  }
  // Both arguments outlive the answer. What it throws is answered with 500 and what().
  virtual boost::asio::awaitable<HttpAnswer> answer(const HttpRequest& request,
                                                    boost::asio::ip::tcp::socket& client) = 0;
};

}  // namespace plateau
