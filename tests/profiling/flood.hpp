// Requests of 32 MiB that are parts of HTTP which nobody needs: a server refuses them, and they cost it no memory.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace plateau::testing {

struct Flood {
  std::string name;
  std::string begin;
  std::string piece;  // sent over and over
};

// Fields, chunk trailers and chunk extensions, for a target that takes POST.
std::vector<Flood> floods(std::string_view target);

struct FloodCost {
  unsigned status = 0;  // of the answer; 0: the server has closed without one
  long grown_kb = 0;    // of the highest resident memory that the process ever had
};

// Sends until the server takes no more. Throws std::system_error when nobody listens.
FloodCost send_flood(const Flood& flood, std::uint16_t port, pid_t server);

}  // namespace plateau::testing
