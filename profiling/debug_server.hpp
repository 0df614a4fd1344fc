// Profiles, footprint and metrics of the running program over HTTP: /debug/pprof/* as Go's net/http/pprof serves them,
// /debug/footprint, and /metrics for Prometheus.
//
//   plateau::DebugServer server({.address = "127.0.0.1:6060"});
//
// It answers to the machine itself only, unless told otherwise. Requests are served by threads of its own, which take
// no signals and share no descriptors with the program, and which a forked child does not have: the child serves
// nothing and holds no port. (Where descriptors must be shared, see private_descriptors.hpp, a program that closes all
// of them must not start a server.) What clients can make it do is bounded:
//
//   64 requests at a time, 128 connections
//   8 KiB of head, which is all of a request but its body and the sizes of its chunks: trailers and extensions, too
//   100 fields; 1 MiB of body; 64 KiB of sizes of chunks and of their line ends
//   16 MiB of all bodies together; 2.2 MiB of heap for one connection, without what its answer takes
//   10 s from the first byte of a request to its last, 60 s to take the answer
//   recordings of 10 minutes, four profiles at a time, one of CPU
//
// More gets 431 (head), 413 (body), 408 (time), or 503, whichever part of HTTP it comes in. Pages of other sites get
// 403: they are known by Host and Origin, and by what browsers add as Sec-Fetch-Site, which they do for addresses of
// the machine itself, and not for remote ones without TLS. Only a link of theirs is followed, to a page that only shows
// something.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "profiling/process_profiles.hpp"
#include "profiling/profile_source.hpp"

namespace plateau {

class MetricFamilies;

struct DebugServerOptions {
  // ADDRESS:PORT, of which port 0 takes a free one; ADDRESS:PORT+, that port or the next one that is free; or
  // unix:/PATH, see parse_server_address().
  std::string address = "127.0.0.1:6060";
  bool allow_remote = false;  // needed for an address that is not of this machine alone
  // By which clients may call, beside localhost and numeric addresses; "*.example.net" is every name that ends so.
  std::vector<std::string> host_names = {};
  std::string host_names_setting = {};  // where a user lists them: said to a client that calls by another
  // Empty, or the program's name: the server then announces itself to its user, see announced_processes().
  std::string announce_as = {};
  std::vector<ProfileSource> profiles = process_profiles();
  // Profiles are taken by a thread that has no descriptor of the program's either: for `profiles` that need none, as
  // process_profiles(). What taking them opens is then out of the program's sight as well. The server's threads then
  // have a root and a folder of their own, too, so that the program may chroot.
  bool private_recorder = false;
  // For the footprint: what the program asked of the heap and did not give back, when it counts that itself.
  std::function<std::optional<std::uint64_t>()> requested_bytes = {};
  // For /metrics: figures of the program's own. Called by a thread of the server.
  std::function<void(MetricFamilies&)> more_metrics = {};
};

class DebugServer {
 public:
  // Listens when it returns. Throws std::invalid_argument or std::runtime_error, in one line, when the address is
  // malformed, not allowed, or taken (AddressTaken).
  explicit DebugServer(DebugServerOptions options);
  // Ends every connection, and waits for a profile that is just being taken. In a forked child: does nothing.
  ~DebugServer();
  DebugServer(const DebugServer&) = delete;
  DebugServer& operator=(const DebugServer&) = delete;

  std::uint16_t port() const;  // 0: a unix socket
  // As it is to be called: 127.0.0.1:6061, unix:/run/orders.sock.
  std::string address() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace plateau
