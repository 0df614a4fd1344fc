// Asks the debug server of another process.
#pragma once

#include <chrono>
#include <string>

namespace plateau {

struct DebugReply {
  unsigned status = 0;  // of HTTP; 0: there was no answer
  std::string body;     // or why there was none

  bool ok() const { return status == 200; }
};

// GET `target` from "127.0.0.1:6060", "[::1]:6060" or "unix:/run/app.sock", as AnnouncedProcess has it. Answers of more
// than 256 MiB are refused. Does not throw but std::bad_alloc; gives up after `patience`.
DebugReply ask_debug_server(const std::string& address, const std::string& target, std::chrono::milliseconds patience);

}  // namespace plateau
