#include "labs/order_batch/partner_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace plateau::order_batch {

void PartnerClient::connect() {
  Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::system_error(errno, std::generic_category(), "the partner cannot be reached");
  }
  const int yes = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  socket_ = std::move(socket);
}

std::optional<Answer> PartnerClient::ask(std::uint64_t number, std::string_view body) {
  const Clock::time_point until = Clock::now() + patience_;
  if (!socket_) connect();
  if (send(number, body)) {
    while (const std::optional<Answer> answer = receive(until)) {
      if (answer->number == number) return answer;
    }
  }
  socket_.reset();
  return std::nullopt;
}

bool PartnerClient::send(std::uint64_t number, std::string_view body) {
  Request request{number, body.size()};
  std::array<iovec, 2> parts{{{&request, sizeof request}, {const_cast<char*>(body.data()), body.size()}}};
  std::size_t first = 0;
  while (first < parts.size()) {
    msghdr message{};
    message.msg_iov = parts.data() + first;
    message.msg_iovlen = parts.size() - first;
    const ssize_t result = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (result < 0 && errno == EINTR) continue;
    if (result < 0) return false;
    auto sent = static_cast<std::size_t>(result);
    while (first < parts.size() && sent >= parts[first].iov_len) sent -= parts[first++].iov_len;
    if (first < parts.size()) {
      parts[first].iov_base = static_cast<char*>(parts[first].iov_base) + sent;
      parts[first].iov_len -= sent;
    }
  }
  return true;
}

std::optional<Answer> PartnerClient::receive(Clock::time_point until) {
  Answer answer{};
  std::size_t have = 0;
  while (have < sizeof answer) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    pollfd ready{socket_.get(), POLLIN, 0};
    const int polled = ::poll(&ready, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (polled < 0 && errno == EINTR) continue;
    if (polled <= 0) return std::nullopt;
    const ssize_t received =
        ::recv(socket_.get(), reinterpret_cast<char*>(&answer) + have, sizeof answer - have, MSG_DONTWAIT);
    if (received < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (received <= 0) return std::nullopt;
    have += static_cast<std::size_t>(received);
  }
  return answer;
}

PartnerClients::PartnerClients(std::size_t count, std::uint16_t port, std::chrono::milliseconds patience) {
  for (std::size_t i = 0; i < count; ++i) {
    all_.push_back(std::make_unique<PartnerClient>(port, patience));
    all_.back()->connect();
    idle_.push_back(all_.back().get());
  }
}

}  // namespace plateau::order_batch
