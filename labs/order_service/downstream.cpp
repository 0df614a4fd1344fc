#include "labs/order_service/downstream.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <thread>
#include <vector>

#include "labs/harness/load/random.hpp"
#include "labs/order_service/calibration.hpp"

namespace plateau::order_service {
using harness::SplitMix64;
namespace {

struct Header {
  OrderId id = 0;
  std::uint64_t length = 0;
};

[[noreturn]] void throw_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

enum class Received { nothing, some, end };

// Reads one socket's stream: headers are kept, bodies skipped.
class Receiver {
 public:
  explicit Receiver(int socket) : socket_(socket) {}

  // Takes what has come and acknowledges it; does not wait.
  Received serve(std::span<char> buffer) {
    const ssize_t received = ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return Received::nothing;
    if (received <= 0) return Received::end;
    take(buffer.first(static_cast<std::size_t>(received)));
    if (acknowledgements_.empty()) return Received::some;
    const std::size_t bytes = acknowledgements_.size() * sizeof(OrderId);
    const bool sent = ::send(socket_, acknowledgements_.data(), bytes, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes);
    acknowledgements_.clear();
    return sent ? Received::some : Received::end;
  }

 private:
  void take(std::span<const char> bytes) {
    while (!bytes.empty()) {
      if (header_bytes_ < sizeof(Header)) {
        const std::size_t part = std::min(sizeof(Header) - header_bytes_, bytes.size());
        std::memcpy(reinterpret_cast<char*>(&header_) + header_bytes_, bytes.data(), part);
        header_bytes_ += part;
        bytes = bytes.subspan(part);
        body_left_ = header_.length;
      } else {
        const std::size_t part = std::min<std::size_t>(body_left_, bytes.size());
        body_left_ -= part;
        bytes = bytes.subspan(part);
      }
      if (header_bytes_ == sizeof(Header) && body_left_ == 0) {
        if (is_acknowledged(header_.id)) acknowledgements_.push_back(header_.id);
        header_bytes_ = 0;
      }
    }
  }

  int socket_;
  Header header_;
  std::size_t header_bytes_ = 0;
  std::uint64_t body_left_ = 0;
  std::vector<OrderId> acknowledgements_;
};

}  // namespace

bool is_acknowledged(OrderId id) {
  return SplitMix64::mix(id ^ 0xac4) % 1000 >= never_acknowledged_per_mille;
}

void serve_downstream(std::span<const int> sockets) {
  // Read in bulk and not on arrival: a sender that has to wake its receiver pays for it, in the very process that is
  // measured.
  constexpr std::chrono::microseconds between_reads{250};
  std::vector<char> buffer(256 * 1024);
  std::vector<Receiver> open;
  for (const int socket : sockets) open.emplace_back(socket);
  while (!open.empty()) {
    bool idle = true;
    for (auto receiver = open.begin(); receiver != open.end();) {
      const Received received = receiver->serve(buffer);
      idle = idle && received == Received::nothing;
      receiver = received == Received::end ? open.erase(receiver) : receiver + 1;
    }
    if (idle) std::this_thread::sleep_for(between_reads);
  }
}

void send_confirmation(int socket, OrderId id, std::string_view body) {
  Header header{id, body.size()};
  std::array<iovec, 2> parts{{{&header, sizeof header}, {const_cast<char*>(body.data()), body.size()}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  while (message.msg_iovlen > 0) {
    const ssize_t result = ::sendmsg(socket, &message, MSG_NOSIGNAL);
    if (result < 0 && errno == EINTR) continue;
    if (result < 0) throw_errno("downstream is gone");
    auto sent = static_cast<std::size_t>(result);
    while (message.msg_iovlen > 0 && sent >= message.msg_iov->iov_len) {
      sent -= message.msg_iov->iov_len;
      ++message.msg_iov;
      --message.msg_iovlen;
    }
    if (message.msg_iovlen > 0) {
      message.msg_iov->iov_base = static_cast<char*>(message.msg_iov->iov_base) + sent;
      message.msg_iov->iov_len -= sent;
    }
  }
}

std::size_t receive_acknowledgements(int socket, std::span<OrderId> into) {
  const ssize_t received = ::recv(socket, into.data(), into.size_bytes(), MSG_DONTWAIT);
  if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return 0;
  if (received < 0) throw_errno("downstream is gone");
  return static_cast<std::size_t>(received) / sizeof(OrderId);  // always whole: the other end sends them whole
}

}  // namespace plateau::order_service
