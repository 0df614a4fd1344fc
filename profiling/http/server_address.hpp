// Where a debug server listens, as a user writes it.
#pragma once

#include <string>
#include <string_view>

#include "profiling/http/listen_address.hpp"

namespace plateau {

// Ports that PORT+ tries, the first one included.
constexpr unsigned most_ports_tried = 64;

struct ServerAddress {
  ListenAddress tcp;   // where `path` is empty
  unsigned ports = 1;  // that are tried, from tcp.port upwards
  std::string path;    // of a unix socket
  std::string text;    // as it was written

  bool is_unix() const { return !path.empty(); }
  // Other processes of a kind (workers that were forked, say) find addresses of their own under the same text.
  bool is_one_of_many() const { return ports > 1 || (!is_unix() && tcp.port == 0) || many_paths; }
  bool many_paths = false;  // %p was in it
};

// Reads
//
//   127.0.0.1:6060          as parse_listen_address() does
//   127.0.0.1:6060+         that port, or the next one that is free, of 64
//   unix:/run/app-%p.sock   a unix socket with an absolute path; %p is the number of the calling process, %% is %
//
// Throws std::invalid_argument, in one line, when it is malformed, the path too long for the kernel, or the address no
// loopback address without `allow_remote`.
ServerAddress parse_server_address(std::string_view text, bool allow_remote);

}  // namespace plateau
