// HTTP on Boost.Beast: connections and their limits. What is answered is a handler's.
#pragma once

#include <cstddef>
#include <list>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include "allocators/arena.hpp"
#include "profiling/http/http_answer.hpp"
#include "profiling/http/http_limits.hpp"
#include "profiling/http/listen_address.hpp"
#include "profiling/http/request_reader.hpp"

namespace plateau {

// Runs on the one thread of the acceptor's executor. Must outlive that executor.
class HttpService {
 public:
  explicit HttpService(HttpHandler& handler, HttpLimits limits = {})
      : handler_(handler), limits_(limits), bodies_(limits.all_bodies_bytes) {}
  HttpService(const HttpService&) = delete;
  HttpService& operator=(const HttpService&) = delete;

  // Accepts connections for as long as the executor runs.
  boost::asio::awaitable<void> accept(boost::asio::ip::tcp::acceptor acceptor);
  // Connections that are open. On the executor's thread.
  std::size_t connections() const { return connections_.size(); }

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
    boost::beast::flat_buffer buffer;  // what has been read and is not yet part of a request
    // Of the request that is being read or answered.
    Arena arena{{.block_bytes = 8 * 1024, .max_block_bytes = 64 * 1024, .retain_bytes = 8 * 1024}};
    bool waiting = true;  // for a request

   private:
    HttpService& service_;
    std::list<Connection*>::iterator place_;
    bool given_up_ = false;
  };

  // The fate of a connection after an exchange.
  enum class Next { request, linger, nothing };

  std::size_t most_connections() const { return 2 * limits_.connections; }
  void make_room();
  boost::asio::awaitable<void> serve(boost::asio::ip::tcp::socket socket);
  boost::asio::awaitable<Next> exchange(Connection& connection);
  boost::asio::awaitable<bool> read(Connection& connection, RequestReader& reader);
  boost::asio::awaitable<HttpAnswer> answer(Connection& connection, const HttpRequest& request);
  boost::asio::awaitable<void> write(Connection& connection, HttpAnswer answer, unsigned version, bool head_only,
                                     bool keep_alive);
  boost::asio::awaitable<void> linger(Connection& connection);

  HttpHandler& handler_;
  const HttpLimits limits_;
  BodyBudget bodies_;
  std::list<Connection*> connections_;  // the oldest first
  std::size_t under_way_ = 0;           // requests
};

// Whether the client has closed its side, at which nobody waits for an answer any more.
bool has_left(boost::asio::ip::tcp::socket& client);

// Listens on `endpoint`. Throws std::runtime_error, in one line with `address`, when it cannot be had.
boost::asio::ip::tcp::acceptor listen_on(boost::asio::io_context& io, const ListenAddress& address);

}  // namespace plateau
