// HTTP on Boost.Beast: connections and their limits. What is answered is a handler's.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include "allocators/arena.hpp"
#include "profiling/http_answer.hpp"

namespace plateau {

struct HttpLimits {
  // Requests that are answered at a time; one more gets 503. Twice as many connections are kept, the others waiting.
  std::size_t connections = 64;
  std::uint32_t head_bytes = 8 * 1024;
  std::size_t body_bytes = 1024 * 1024;  // pprof asks for the symbols of a whole profile at once
  std::chrono::seconds to_send_request{10};
  std::chrono::seconds to_take_answer{60};
};

// Runs on the one thread of the acceptor's executor. Must outlive that executor.
class HttpService {
 public:
  explicit HttpService(HttpHandler& handler, HttpLimits limits = {}) : handler_(handler), limits_(limits) {}
  HttpService(const HttpService&) = delete;
  HttpService& operator=(const HttpService&) = delete;

  // Accepts connections for as long as the executor runs.
  boost::asio::awaitable<void> accept(boost::asio::ip::tcp::acceptor acceptor);

 private:
  // Known to the service for as long as it lives, which is as long as its coroutine does.
  class Connection {
   public:
    Connection(HttpService& service, boost::asio::ip::tcp::socket socket);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // Closes it, to make room for another.
    void give_up();

    boost::beast::tcp_stream stream;
    boost::beast::flat_buffer buffer;
    // Of the request that is being read or answered.
    Arena arena{{.block_bytes = 8 * 1024, .max_block_bytes = 64 * 1024, .retain_bytes = 8 * 1024}};
    bool waiting = true;  // for a request

   private:
    HttpService& service_;
    std::list<Connection*>::iterator place_;
    bool given_up_ = false;
  };

  std::size_t most_connections() const { return 2 * limits_.connections; }
  void make_room();
  boost::asio::awaitable<void> serve(boost::asio::ip::tcp::socket socket);
  boost::asio::awaitable<bool> exchange(Connection& connection);
  boost::asio::awaitable<HttpAnswer> answer(Connection& connection, const HttpRequest& request);
  boost::asio::awaitable<void> write(Connection& connection, HttpAnswer answer, unsigned version, bool head_only,
                                     bool keep_alive);

  HttpHandler& handler_;
  const HttpLimits limits_;
  std::list<Connection*> connections_;  // the oldest first
  std::size_t under_way_ = 0;           // requests
};

// Whether the client has closed its side, at which nobody waits for an answer any more.
bool has_left(boost::asio::ip::tcp::socket& client);

// Listens on `endpoint`. Throws std::runtime_error, in one line with `address`, when it cannot be had.
boost::asio::ip::tcp::acceptor listen_on(boost::asio::io_context& io, const boost::asio::ip::tcp::endpoint& endpoint,
                                         const std::string& address);

}  // namespace plateau
