#include "profiling/http/server_address.hpp"

#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

namespace plateau {
namespace {

constexpr std::string_view unix_scheme = "unix:";
constexpr std::size_t longest_path = sizeof(sockaddr_un{}.sun_path) - 1;

ServerAddress unix_address(std::string_view text) {
  const std::string_view form = text.substr(unix_scheme.size());
  ServerAddress address{.tcp = {}, .path = {}, .text = std::string(text)};
  for (std::size_t i = 0; i < form.size(); ++i) {
    const std::string_view two = form.substr(i, 2);
    if (form[i] != '%') {
      address.path += form[i];
    } else if (two == "%p") {
      address.path += std::to_string(::getpid());
      address.many_paths = true;
      ++i;
    } else if (two == "%%") {
      address.path += '%';
      ++i;
    } else {
      throw std::invalid_argument(address.text + ": after % give p, for the number of the process, or a second %");
    }
  }
  // A program may change its folder before it is asked for the first time.
  if (!address.path.starts_with('/') || address.path.ends_with('/')) {
    throw std::invalid_argument(address.text + ": give a socket's absolute path, such as unix:/run/orders-%p.sock");
  }
  if (address.path.size() > longest_path) {
    throw std::invalid_argument(address.text + ": the path has " + std::to_string(address.path.size()) +
                                " bytes, and the kernel takes " + std::to_string(longest_path) +
                                " at most for a socket: give a shorter one");
  }
  return address;
}

}  // namespace

ServerAddress parse_server_address(std::string_view text, bool allow_remote) {
  if (text.starts_with(unix_scheme)) return unix_address(text);
  const bool or_next = text.ends_with('+');
  ServerAddress address{.tcp = parse_listen_address(text.substr(0, text.size() - (or_next ? 1 : 0)), allow_remote),
                        .path = {},
                        .text = {}};
  address.text = text;
  if (or_next) {
    if (address.tcp.port == 0) {
      throw std::invalid_argument(address.text + ": give the first port to try, such as 127.0.0.1:6060+");
    }
    address.ports = std::min(most_ports_tried, 65536U - address.tcp.port);
  }
  return address;
}

}  // namespace plateau
