// The most that clients can make an HTTP service hold and do.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace plateau {

struct HttpLimits {
  // Requests that are answered at a time; one more gets 503. Twice as many connections are kept, the others waiting.
  std::size_t connections = 64;
  // Request line, fields, trailers and extensions of chunks of one request, together; more get 431.
  std::uint32_t head_bytes = 8 * 1024;
  std::size_t body_bytes = 1024 * 1024;  // pprof asks for the symbols of a whole profile at once; more get 413
  // Sizes of chunks and their line ends: a body in pieces of one byte is six times itself on the wire; more get 413.
  std::size_t framing_bytes = 64 * 1024;
  std::size_t fields = 100;                         // of one request, trailers included; more get 431
  std::size_t all_bodies_bytes = 16 * 1024 * 1024;  // of all requests under way, together; more get 503
  std::chrono::seconds to_send_request{10};  // from its first byte to its last; and from an answer to the next one
  std::chrono::seconds to_take_answer{60};

  // The heap that one connection holds at most, without what the handler takes for its answer: the body twice, since it
  // grows by doubling; the fields, which are larger in memory than on the wire; and the buffer and the coroutines.
  constexpr std::size_t connection_bytes() const {
    return 2 * body_bytes + 8 * std::size_t{head_bytes} + 128 * fields + 96 * 1024;
  }
};

}  // namespace plateau
