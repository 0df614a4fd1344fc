// A lab that serves, and a client of its stream.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/json.hpp>

#include "tests/profiling/http_client.hpp"
#include "tests/support/child_program.hpp"

namespace plateau::testing {

// Server-sent events, as a browser receives them.
class EventStream {
 public:
  explicit EventStream(std::uint16_t port);

  using Wanted = std::function<bool(const boost::json::value&)>;
  // The data of the next event of that name for which `wanted` holds; others are skipped. Throws
  // boost::system::system_error when the stream ends before.
  boost::json::value next(
      std::string_view event, const Wanted& wanted = [](const auto&) { return true; });

 private:
  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_;
  std::string buffer_;
};

// `PROGRAM serve ARGUMENTS…` on a free port.
class ServedLab {
 public:
  ServedLab(const std::string& program, std::vector<std::string> arguments);

  std::uint16_t port() const { return port_; }
  // What the stream said first, once the service was ready.
  const boost::json::value& hello() const { return hello_; }
  // The place of a column in a sample's values.
  std::size_t column(std::string_view id) const;
  // Posts to a knob as the page does.
  HttpReply turn(const std::string& knob, const std::string& body) const;
  boost::json::value knob(std::string_view id) const;  // as a client that comes now sees it
  // Ctrl-C; gives the exit status.
  int interrupt();
  ChildProgram& program() { return program_; }

 private:
  ChildProgram program_;
  std::uint16_t port_ = 0;
  boost::json::value hello_;
};

}  // namespace plateau::testing
