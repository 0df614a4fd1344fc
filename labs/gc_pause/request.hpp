// A request as it comes in, and the recorded stream of them: the same for every arm with the same seed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "labs/gc_pause/calibration.hpp"

namespace plateau::gc_pause {

using UserId = std::uint64_t;

struct Attribute {
  std::string_view key;
  std::string_view value;
};

struct EventInput {
  std::string_view name;
  std::uint64_t time_us = 0;
  std::array<Attribute, most_attributes> attributes;
  std::size_t attribute_count = 0;
};

struct UserInput {
  UserId id = 0;
  std::string_view name;
  std::string_view email;
  std::string_view locale;
  std::string_view page;  // for a new session
  std::uint32_t tier = 0;
};

// Its views live as long as the stream, or until the request is read into again.
struct Request {
  UserInput user;
  std::array<EventInput, events_per_request> events;
  // A session to be read: of a user who was served `read_age` generations ago.
  std::uint64_t read_age = 0;
  UserId read_user = 0;
  std::array<char, 48> email;
};

// Thread-safe once made. `read` allocates nothing.
class RequestStream {
 public:
  // `requests_per_generation` of all lanes together; `page_bytes` of a session's page.
  RequestStream(std::uint64_t seed, std::uint64_t requests_per_generation, std::size_t page_bytes = default_page_bytes);

  std::uint64_t requests_per_generation() const { return requests_per_generation_; }
  std::uint64_t generation_of(std::uint64_t index) const { return index / requests_per_generation_; }

  // Request `index`, into `request`. Requests of one lane name users of that lane only.
  void read(std::uint64_t index, Request& request) const;

 private:
  UserId user_of(std::uint64_t index) const;

  std::uint64_t seed_;
  std::uint64_t requests_per_generation_;
  std::size_t page_bytes_;
  std::string corpus_;
};

}  // namespace plateau::gc_pause
