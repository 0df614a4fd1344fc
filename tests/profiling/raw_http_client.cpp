#include "tests/profiling/raw_http_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace plateau::testing {

namespace http = boost::beast::http;

RawHttpClient::RawHttpClient(std::uint16_t port, std::chrono::seconds patience)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval limit{.tv_sec = patience.count(), .tv_usec = 0};
  const int on = 1;
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    ::close(socket_);
    throw std::system_error(error, std::generic_category(), "cannot connect");
  }
}

RawHttpClient::~RawHttpClient() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(socket_);
}

bool RawHttpClient::send(std::string_view bytes) {
  while (sends_ && !bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) throw std::runtime_error("the server reads nothing");
    sends_ = sent >= 0;
    if (sends_) bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return sends_;
}

bool RawHttpClient::has_received() const {
  char byte = 0;
  return ::recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

std::string RawHttpClient::receive_all() {
  ::shutdown(socket_, SHUT_WR);
  std::string text;
  std::array<char, 4096> piece;
  for (;;) {
    const ssize_t received = ::recv(socket_, piece.data(), piece.size(), 0);
    if (received > 0) {
      text.append(piece.data(), static_cast<std::size_t>(received));
    } else if (received == 0 || errno == ECONNRESET) {
      return text;
    } else if (errno != EINTR) {
      throw std::runtime_error("the server does not end the connection; it sent: " + text);
    }
  }
}

std::vector<RawAnswer> parse_answers(std::string_view bytes, const std::vector<bool>& heads) {
  std::vector<RawAnswer> answers;
  while (!bytes.empty()) {
    http::response_parser<http::string_body> parser;
    parser.eager(true);
    parser.body_limit(boost::none);
    parser.skip(answers.size() < heads.size() && heads[answers.size()]);
    boost::system::error_code error;
    bytes.remove_prefix(parser.put(boost::asio::buffer(bytes), error));
    if (!error && !parser.is_done()) parser.put_eof(error);
    if (error) throw std::runtime_error("an answer is no HTTP: " + error.message());
    if (parser.get().result_int() >= 200) answers.push_back({parser.get().result_int(), parser.get().body()});
  }
  return answers;
}

}  // namespace plateau::testing
