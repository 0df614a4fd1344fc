#include "labs/live/serve.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <exception>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "allocators/system/cpu_clock.hpp"
#include "labs/harness/usage_error.hpp"
#include "labs/live/live_service.hpp"
#include "profiling/http/http_service.hpp"
#include "profiling/http/listen_address.hpp"

namespace plateau::harness {
namespace asio = boost::asio;
namespace {

ListenAddress address_of(const ServeOptions& options) {
  try {
    return parse_listen_address(options.address, options.allow_remote);
  } catch (const std::invalid_argument& error) {
    throw UsageError(fmt::format("--address {}", error.what()));
  }
}

constexpr std::size_t most_connections = 256;  // load comes from outside, too

}  // namespace

int serve(const Lab& lab, const ArmSpec& spec, const ServeOptions& options) {
  const ListenAddress address = address_of(options);
  const auto start = std::chrono::steady_clock::now();
  const auto cpu_before = thread_cpu_time();
  LiveService live(lab, spec, options.command, address.is_loopback);
  HttpService http(live, {.connections = most_connections});
  asio::io_context io(1);
  asio::ip::tcp::acceptor acceptor = listen_on(io, address);
  const asio::ip::tcp::endpoint bound = acceptor.local_endpoint();
  fmt::print("{} serves on http://{}:{}/ until Ctrl-C\n", lab.description().name, bound.address().to_string(),
             bound.port());
  std::fflush(stdout);
  asio::co_spawn(io, http.accept(std::move(acceptor)), asio::detached);
  std::exception_ptr failed;
  asio::co_spawn(io, live.run(), [&](std::exception_ptr error) {
    failed = error;
    io.stop();
  });
  io.run();
  live.finish();
  if (failed) std::rethrow_exception(failed);
  const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  fmt::print("\nthe dashboard cost {:.2f} % of a CPU in the service, and {:.2f} % beside it\n", live.cost() * 100,
             in_seconds(thread_cpu_time() - cpu_before) / wall * 100);
  return 0;
}

}  // namespace plateau::harness
