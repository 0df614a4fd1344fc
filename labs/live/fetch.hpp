// A client of other HTTP servers on this machine.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <list>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include "profiling/http/http_answer.hpp"

namespace plateau::harness {

// Keeps connections for the next request. On one thread.
class Upstream {
 public:
  // Hands `request` on to the server on this port of 127.0.0.1, and gives its answer: with all of the body for HEAD,
  // too, so that its length is known. Throws boost::system::system_error when that cannot be had, or not in time.
  boost::asio::awaitable<HttpAnswer> fetch(std::uint16_t port, const HttpRequest& request,
                                           std::chrono::seconds longest);
  // As that, for an answer that takes long: it is given up when `client` leaves, so that the server can see it, too.
  boost::asio::awaitable<HttpAnswer> fetch_while_awaited(std::uint16_t port, const HttpRequest& request,
                                                         std::chrono::seconds longest,
                                                         boost::asio::ip::tcp::socket& client);
  // Before the executor ends.
  void close() { idle_.clear(); }

 private:
  using Clock = std::chrono::steady_clock;
  // Less than a server waits for the next request, so that it is not closed while that is on its way.
  static constexpr std::chrono::seconds kept{5};
  static constexpr std::size_t most_idle = 128;

  struct Idle {
    std::uint16_t port;
    Clock::time_point since;
    boost::beast::tcp_stream stream;
  };

  struct Attempt {
    HttpAnswer answer;
    std::exception_ptr failed;
  };

  boost::asio::awaitable<Attempt> attempt(std::uint16_t port, const HttpRequest& request, std::chrono::seconds longest);
  boost::asio::awaitable<boost::beast::tcp_stream> connection(std::uint16_t port);

  std::list<Idle> idle_;  // the longest first
};

}  // namespace plateau::harness
