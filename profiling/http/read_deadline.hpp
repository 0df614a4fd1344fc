// A time until which a socket is read: unlike the one of Beast's streams, its end leaves the socket open, so that the
// client can be told.
#pragma once

#include <chrono>
#include <memory>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

namespace plateau {

// On the thread of the socket's executor. `socket` must outlive it.
class ReadDeadline {
 public:
  explicit ReadDeadline(boost::asio::ip::tcp::socket& socket) : socket_(socket), timer_(socket.get_executor()) {}
  ReadDeadline(const ReadDeadline&) = delete;
  ReadDeadline& operator=(const ReadDeadline&) = delete;

  // Cancels what the socket has under way once `time` has passed, unless set again before.
  void set(std::chrono::seconds time) {
    timer_.expires_after(time);
    timer_.async_wait([this, known = std::weak_ptr<char>(alive_)](boost::system::error_code error) {
      // The timer may have fired just before it was set again, or destroyed.
      if (error || known.expired() || timer_.expiry() > std::chrono::steady_clock::now()) return;
      has_passed_ = true;
      boost::system::error_code ignored;
      socket_.cancel(ignored);
    });
  }
  bool has_passed() const { return has_passed_; }

 private:
  boost::asio::ip::tcp::socket& socket_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
  bool has_passed_ = false;
};

}  // namespace plateau
