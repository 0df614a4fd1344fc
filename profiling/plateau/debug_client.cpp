#include "profiling/plateau/debug_client.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <stdexcept>
#include <system_error>

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "allocators/system/descriptor.hpp"
#include "profiling/http/listen_address.hpp"

namespace plateau {
namespace {

namespace http = boost::beast::http;
using Clock = std::chrono::steady_clock;

constexpr std::string_view unix_scheme = "unix:";
constexpr std::uint64_t most_bytes = std::uint64_t{256} << 20;

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

void wait_for(int fd, short events, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) throw std::runtime_error("no answer in time");
    pollfd one{fd, events, 0};
    const int ready = ::poll(&one, 1, static_cast<int>(left));
    if (ready > 0) return;
    if (ready < 0 && errno != EINTR) fail("poll");
  }
}

Descriptor connected(const sockaddr* address, socklen_t bytes, Clock::time_point deadline) {
  Descriptor socket(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) fail("socket");
  if (::connect(socket.get(), address, bytes) == 0) return socket;
  if (errno != EINPROGRESS) fail("connect");
  wait_for(socket.get(), POLLOUT, deadline);
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    errno = error;
    fail("connect");
  }
  return socket;
}

Descriptor connect_to(const std::string& text, Clock::time_point deadline) {
  if (text.starts_with(unix_scheme)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (text.size() - unix_scheme.size() >= sizeof address.sun_path) throw std::runtime_error("path too long");
    text.copy(address.sun_path, sizeof address.sun_path - 1, unix_scheme.size());
    return connected(reinterpret_cast<const sockaddr*>(&address), sizeof address, deadline);
  }
  const ListenAddress parsed = parse_listen_address(text, true);
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(parsed.port);
  if (::inet_pton(AF_INET6, parsed.host.c_str(), &six.sin6_addr) == 1)
    return connected(reinterpret_cast<const sockaddr*>(&six), sizeof six, deadline);
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = htons(parsed.port);
  if (::inet_pton(AF_INET, parsed.host.c_str(), &four.sin_addr) != 1) throw std::runtime_error("no numeric address");
  return connected(reinterpret_cast<const sockaddr*>(&four), sizeof four, deadline);
}

void send_all(int fd, std::string_view text, Clock::time_point deadline) {
  while (!text.empty()) {
    const ssize_t count = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (count >= 0) {
      text.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      wait_for(fd, POLLOUT, deadline);
    } else if (errno != EINTR) {
      fail("send");
    }
  }
}

DebugReply receive(int fd, Clock::time_point deadline) {
  http::response_parser<http::string_body> parser;
  parser.body_limit(most_bytes);
  parser.eager(true);
  boost::beast::flat_buffer buffer;
  boost::system::error_code error;
  while (!parser.is_done()) {
    const auto room = buffer.prepare(64 * 1024);
    const ssize_t count = ::recv(fd, room.data(), room.size(), 0);
    if (count < 0 && errno == EAGAIN) {
      wait_for(fd, POLLIN, deadline);
      continue;
    }
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("recv");
    if (count == 0) {
      parser.put_eof(error);
      break;
    }
    buffer.commit(static_cast<std::size_t>(count));
    buffer.consume(parser.put(buffer.data(), error));
    if (error && error != http::error::need_more) break;
    error = {};
  }
  if (error || !parser.is_done()) throw std::runtime_error("the answer was cut short");
  return {parser.get().result_int(), std::move(parser.get().body())};
}

}  // namespace

DebugReply ask_debug_server(const std::string& address, const std::string& target, std::chrono::milliseconds patience) {
  try {
    const Clock::time_point deadline = Clock::now() + patience;
    const Descriptor socket = connect_to(address, deadline);
    send_all(socket.get(), "GET " + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", deadline);
    return receive(socket.get(), deadline);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    return {0, error.what()};
  }
}

}  // namespace plateau
