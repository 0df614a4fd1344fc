// What a debug server listens on.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "profiling/http/server_address.hpp"
#include "profiling/http/unix_socket_file.hpp"

namespace plateau {

// Somebody listens there already.
class AddressTaken : public std::runtime_error {
 public:
  AddressTaken(const std::string& what, ServerAddress taken) : std::runtime_error(what), address(std::move(taken)) {}
  ServerAddress address;
};

// Listens while it lives, by acceptor(); removes a unix socket's file.
class ServerSocket {
 public:
  // Throws AddressTaken, or std::runtime_error in one line, when the address cannot be had.
  ServerSocket(boost::asio::io_context& io, const ServerAddress& address);

  // A unix socket is one of TCP's to Asio: nothing is asked of it but accept, read and write.
  boost::asio::ip::tcp::acceptor& acceptor() { return *acceptor_; }
  std::uint16_t port() const { return port_; }          // 0: a unix socket
  const std::string& address() const { return text_; }  // with the port or the path that was taken

 private:
  std::optional<UnixSocketFile> file_;
  std::optional<boost::asio::ip::tcp::acceptor> acceptor_;
  std::uint16_t port_ = 0;
  std::string text_;
};

}  // namespace plateau
