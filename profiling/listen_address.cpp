#include "profiling/listen_address.hpp"

#include <stdexcept>

#include <boost/url.hpp>

namespace plateau {

namespace asio = boost::asio;
namespace urls = boost::urls;

asio::ip::tcp::endpoint parse_listen_address(std::string_view text, bool allow_remote) {
  const auto authority = urls::parse_authority(urls::string_view(text.data(), text.size()));
  // port_number() is also 0 for a port that is too large.
  const bool port_fits = authority && authority->has_port() && !authority->port().empty() &&
                         (authority->port_number() != 0 || authority->port() == "0");
  if (!port_fits || authority->has_userinfo()) {
    throw std::invalid_argument(std::string(text) + ": give ADDRESS:PORT such as 127.0.0.1:6060");
  }
  asio::ip::address address;
  if (authority->host_type() == urls::host_type::ipv4) {
    address = asio::ip::address_v4(authority->host_ipv4_address().to_uint());
  } else if (authority->host_type() == urls::host_type::ipv6) {
    address = asio::ip::address_v6(authority->host_ipv6_address().to_bytes());
  } else if (authority->encoded_host() == "localhost") {
    address = asio::ip::address_v4::loopback();
  } else {
    throw std::invalid_argument(std::string(text) + ": give a numeric address or localhost, such as 127.0.0.1:6060");
  }
  if (!address.is_loopback() && !allow_remote) {
    throw std::invalid_argument(std::string(text) +
                                ": other machines could read this process's memory profile; "
                                "allow that explicitly, or listen on 127.0.0.1");
  }
  return {address, authority->port_number()};
}

}  // namespace plateau
