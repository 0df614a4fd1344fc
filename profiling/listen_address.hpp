// ADDR:PORT as a user writes it, for a server that answers the machine itself unless told otherwise.
#pragma once

#include <string>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>

namespace plateau {

// "127.0.0.1:6060", "[::1]:6060", "localhost:6060" (127.0.0.1); port 0 takes any that is free. No name is looked up.
// Throws std::invalid_argument, in one line, when it is malformed, or no loopback address without `allow_remote`.
boost::asio::ip::tcp::endpoint parse_listen_address(std::string_view text, bool allow_remote);

}  // namespace plateau
