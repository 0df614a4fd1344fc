// libplateau_agent.so: preloaded, it gives any program the endpoints of profiling/debug_server.hpp, unchanged.
//
//   LD_PRELOAD=libplateau_agent.so PLATEAU_PPROF=127.0.0.1:6060 redis-server
//
//   PLATEAU_PPROF               ADDRESS:PORT to listen on; without it the agent does nothing
//   PLATEAU_PPROF_ALLOW_REMOTE  1: the address may be one that other machines reach
//   PLATEAU_PPROF_VERBOSE       1: says on standard error where it listens, or why it does not
//   PLATEAU_TRACE               purge=1: a line on standard error for every purge, see allocators/purge_lines.hpp; also
//                               without PLATEAU_PPROF
//
// Programs that the program starts inherit the variables: the first to take the port serves, and the others run on
// without. A setuid program is left alone. Standard output, exit status, signal handlers and descriptors are the
// program's own; what it says in vain to the wrong address is the one line that is printed without being asked for.
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "allocators/purge_lines.hpp"
#include "profiling/debug_server.hpp"

namespace plateau {
namespace {

bool is_set(const char* variable) {
  const char* const value = ::secure_getenv(variable);
  return value != nullptr && std::strcmp(value, "1") == 0;
}

void say(const char* what) {
  std::fprintf(stderr, "plateau: PLATEAU_PPROF: %s (process %d)\n", what, static_cast<int>(::getpid()));
}

// Not owned by a static object: it must stop before the statics of the libraries it uses are gone, and those that were
// made before it are destroyed after the handlers that were registered later.
DebugServer* server = nullptr;

void stop() {
  delete std::exchange(server, nullptr);
}

[[gnu::constructor]] void start() {
  start_purge_trace_from_environment();
  const char* const address = ::secure_getenv("PLATEAU_PPROF");
  if (address == nullptr || *address == '\0') return;
  const bool verbose = is_set("PLATEAU_PPROF_VERBOSE");
  try {
    auto started = std::make_unique<DebugServer>(
        DebugServerOptions{.address = address, .allow_remote = is_set("PLATEAU_PPROF_ALLOW_REMOTE")});
    const std::uint16_t port = started->port();
    if (std::atexit(stop) != 0) throw std::bad_alloc();
    server = started.release();
    if (verbose) say(("listening on port " + std::to_string(port)).c_str());
  } catch (const std::invalid_argument& error) {
    say(error.what());
  } catch (const std::exception& error) {
    if (verbose) say(error.what());
  }
}

}  // namespace
}  // namespace plateau
