// What service and partner say to each other over a TCP connection, in the host's byte order (both ends are this
// program): request = Request, then `bytes` of JSON; answer = Answer. A number is asked for again with the same body,
// and an order that was accepted has one receipt, however often it is asked for.
#pragma once

#include <xxhash.h>

#include <cstdint>
#include <string_view>

namespace plateau::order_batch {

struct Request {
  std::uint64_t number;
  std::uint64_t bytes;
};

enum class Verdict : std::uint64_t { accepted = 1, refused = 2 };

struct Answer {
  std::uint64_t number;
  Verdict verdict;
  std::uint64_t receipt;
};

inline constexpr std::uint64_t most_message_bytes = std::uint64_t{16} << 20;

inline std::uint64_t receipt_for(std::string_view body) {
  return XXH3_64bits(body.data(), body.size());
}

}  // namespace plateau::order_batch
