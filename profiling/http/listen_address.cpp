#include "profiling/http/listen_address.hpp"

#include <stdexcept>

#include <boost/url.hpp>

namespace plateau {

namespace urls = boost::urls;

ListenAddress parse_listen_address(std::string_view text, bool allow_remote) {
  const auto authority = urls::parse_authority(urls::string_view(text.data(), text.size()));
  // port_number() is also 0 for a port that is too large.
  const bool port_fits = authority && authority->has_port() && !authority->port().empty() &&
                         (authority->port_number() != 0 || authority->port() == "0");
  if (!port_fits || authority->has_userinfo()) {
    throw std::invalid_argument(std::string(text) + ": give ADDRESS:PORT such as 127.0.0.1:6060");
  }
  ListenAddress address{.host = {}, .port = authority->port_number(), .is_loopback = false, .text = std::string(text)};
  if (authority->host_type() == urls::host_type::ipv4) {
    const urls::ipv4_address ip = authority->host_ipv4_address();
    address.host = ip.to_string();
    address.is_loopback = ip.is_loopback();
  } else if (authority->host_type() == urls::host_type::ipv6) {
    const urls::ipv6_address ip = authority->host_ipv6_address();
    address.host = ip.to_string();
    address.is_loopback = ip.is_loopback();
  } else if (authority->encoded_host() == "localhost") {
    address.host = "127.0.0.1";
    address.is_loopback = true;
  } else {
    throw std::invalid_argument(std::string(text) + ": give a numeric address or localhost, such as 127.0.0.1:6060");
  }
  if (!address.is_loopback && !allow_remote) {
    throw std::invalid_argument(std::string(text) +
                                ": other machines could read this process's memory profile; "
                                "allow that explicitly, or listen on 127.0.0.1");
  }
  return address;
}

}  // namespace plateau
