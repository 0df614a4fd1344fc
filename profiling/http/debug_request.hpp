// The rules of the debug server: what a request asks for, or why it is refused. No sockets, no clock, no profiles are
// taken here, so that tests and a fuzzer can call it with anything.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "profiling/profile_source.hpp"

namespace plateau {

// What matters of the head of an HTTP request, as it came.
struct RequestHead {
  std::string_view method = {};
  std::string_view target = {};
  std::optional<std::string_view> host = {};    // empty unless there is exactly one Host field
  std::optional<std::string_view> origin = {};  // of a field that came twice: an empty value
  std::string_view accept = {};
  // Which site's page made a browser send it, how, and what for. Browsers send these to loopback addresses and by TLS;
  // other clients do not. Of a field that came twice: an empty value, which no browser sends.
  std::optional<std::string_view> fetch_site = {};
  std::string_view fetch_mode = {};
  std::string_view fetch_dest = {};
};

// Which clients are served, and with what.
struct RequestRules {
  std::span<const ProfileSource> profiles = {};
  bool loopback = true;   // listens on a loopback address only
  bool any_host = false;  // where no browser comes, as to a unix socket, the Host field may be anything
  // By which clients may call, beside localhost and numeric addresses; "*.example.net" is every name that ends so.
  std::span<const std::string> host_names = {};
  std::string_view host_names_setting = {};  // that the refusal of another name tells of
  std::chrono::seconds longest{600};         // recording
};

enum class DebugPage { index, profile, cmdline, symbol, footprint, holders, metrics, processes };

struct DebugRequest {
  DebugPage page = DebugPage::index;
  const ProfileSource* source = nullptr;        // of DebugPage::profile
  std::optional<std::chrono::seconds> seconds;  // a recording, or two looks; else a snapshot
  bool keep_inuse = false;                      // `inuse=last`
  bool purge_first = false;                     // `gc=1`
  bool readable = false;                        // `debug=1`: plain text
  bool html = false;                            // the client is a browser
  std::string_view query;                       // after the `?`, as it came
};

struct Refusal {
  unsigned status = 400;
  std::string reason = {};      // one line
  std::string_view allow = {};  // of 405: the methods that are allowed
};

// Returns why a client is none of this server's: it calls the server by a foreign name, or a page of another site made
// it ask. A link on such a page may lead to a page that only shows something (the index, the processes, the footprint,
// the metrics), and to nothing else: a picture of another site must neither begin a profile nor purge the heap.
std::optional<Refusal> refuse_foreigner(const RequestHead& head, const RequestRules& rules);

// The result refers to `head` and `rules`. Throws std::bad_alloc only.
std::variant<DebugRequest, Refusal> understand(const RequestHead& head, const RequestRules& rules);

}  // namespace plateau
