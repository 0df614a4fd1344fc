#include "profiling/http/server_socket.hpp"

#include <fcntl.h>

#include <system_error>
#include <utility>

namespace plateau {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

[[noreturn]] void fail(const ServerAddress& address, const std::string& reason, bool taken) {
  const std::string text = "cannot listen on " + address.text + ": " + reason;
  if (taken) throw AddressTaken(text, address);
  throw std::runtime_error(text);
}

tcp::acceptor listen_on_a_port(asio::io_context& io, const ServerAddress& address) {
  const asio::ip::address host = asio::ip::make_address(address.tcp.host);
  boost::system::error_code error;
  for (unsigned i = 0; i < address.ports; ++i) {
    try {
      // With SO_REUSEADDR: a port in use is still refused, one that just ended is not.
      return {io, tcp::endpoint(host, static_cast<std::uint16_t>(address.tcp.port + i))};
    } catch (const boost::system::system_error& thrown) {
      error = thrown.code();
    }
    if (error != asio::error::address_in_use) break;
  }
  const bool taken = error == asio::error::address_in_use;
  const std::string others = taken && address.ports > 1
                                 ? " (and so are the " + std::to_string(address.ports - 1) + " ports after it)"
                                 : std::string();
  fail(address, error.message() + others, taken);
}

}  // namespace

ServerSocket::ServerSocket(asio::io_context& io, const ServerAddress& address) {
  if (!address.is_unix()) {
    acceptor_ = listen_on_a_port(io, address);
    port_ = acceptor_->local_endpoint().port();
    const std::string& host = address.tcp.host;
    text_ = (host.find(':') != std::string::npos ? "[" + host + "]" : host) + ":" + std::to_string(port_);
  } else {
    try {
      file_.emplace(address.path);
    } catch (const std::system_error& error) {
      if (error.code().value() == EEXIST) fail(address, "there is a file that is no socket", false);
      fail(address, error.code().message(), error.code().value() == EADDRINUSE);
    }
    acceptor_.emplace(io, tcp::v4(), file_->release());
    text_ = "unix:" + address.path;
  }
  // Where descriptors are shared with the program, the programs that it starts must not keep the address.
  ::fcntl(acceptor_->native_handle(), F_SETFD, FD_CLOEXEC);
}

}  // namespace plateau
