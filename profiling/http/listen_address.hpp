// ADDR:PORT as a user writes it, for a server that answers the machine itself unless told otherwise.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace plateau {

struct ListenAddress {
  std::string host;  // numeric
  std::uint16_t port = 0;
  bool is_loopback = false;
  std::string text;  // as it was written
};

// "127.0.0.1:6060", "[::1]:6060", "localhost:6060" (127.0.0.1); port 0 takes any that is free. No name is looked up.
// Throws std::invalid_argument, in one line, when it is malformed, or no loopback address without `allow_remote`.
ListenAddress parse_listen_address(std::string_view text, bool allow_remote);

}  // namespace plateau
