// A client that sends what it is told, well-formed or not.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

namespace plateau::testing {

using HttpReply = boost::beast::http::response<boost::beast::http::string_body>;

class HttpClient {
 public:
  // Connects to 127.0.0.1.
  explicit HttpClient(std::uint16_t port);
  // Connects to a unix socket. Throws std::system_error.
  explicit HttpClient(const std::string& socket_file);

  void send(std::string_view bytes);
  // Throws boost::system::system_error when the server closes instead.
  HttpReply receive(bool head_only = false);
  void close() { socket_.close(); }

 private:
  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_;
  boost::beast::flat_buffer buffer_;
};

// A well-formed request; `fields` are lines that end with \r\n.
std::string request(std::string_view method, std::string_view target, std::string_view fields = {},
                    std::string_view body = {});

// One request on a connection of its own.
HttpReply get(std::uint16_t port, std::string_view target, std::string_view fields = {});
HttpReply get(const std::string& socket_file, std::string_view target);
// For a server that calls itself by a name.
HttpReply get_from_host(std::uint16_t port, const std::string& host, std::string_view target);

}  // namespace plateau::testing
