// A client that sends bytes, whatever becomes of them, and reads all that comes back.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace plateau::testing {

class RawHttpClient {
 public:
  // Connects to 127.0.0.1. Waits for the server no longer than `patience` at any step. Throws std::system_error.
  RawHttpClient(std::uint16_t port, std::chrono::seconds patience);
  // At once, so that no port is kept.
  ~RawHttpClient();
  RawHttpClient(const RawHttpClient&) = delete;
  RawHttpClient& operator=(const RawHttpClient&) = delete;

  // False once the server takes no more; nothing is sent any more then.
  bool send(std::string_view bytes);
  // Whether something has come and was not read.
  bool has_received() const;
  // Sends no more, and returns what comes until the server has closed. Throws std::runtime_error when it does not.
  std::string receive_all();

 private:
  int socket_;
  bool sends_ = true;
};

struct RawAnswer {
  unsigned status = 0;
  std::string body;
};

// The answers in `bytes`, without those that announce another ("100 Continue"). `heads`: of which requests the answer
// has no body; of those beyond its end all have. Throws std::runtime_error when they are no well-formed HTTP.
std::vector<RawAnswer> parse_answers(std::string_view bytes, const std::vector<bool>& heads = {});

}  // namespace plateau::testing
