// HTTP requests from a grammar: well-formed ones in many spellings, and some with one thing that is wrong, each with
// the status that it must get.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "profiling/http/http_limits.hpp"

namespace plateau::testing {

// Bytes, without holding all of those that repeat.
struct RepeatedText {
  std::string text;
  std::size_t times = 1;
};

struct GeneratedRequest {
  std::string name;  // of what is special about it
  std::vector<RepeatedText> bytes;
  unsigned status = 200;   // 0: none, since the request has no end
  std::string body;        // what a server must have read of a request that gets 200
  bool is_head = false;    // the answer has no body
  bool stays_open = true;  // another request may follow on the connection
};

// The same for the same seed. `limits` are those of the server that it is for.
GeneratedRequest generate_request(std::uint64_t seed, const HttpLimits& limits);

}  // namespace plateau::testing
