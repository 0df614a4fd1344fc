// Whatever a client sends, the debug server understands it as a request for something that exists, within its bounds,
// or refuses it in one line with a status that is an error. The bytes are read by the parser and the limits of the
// server.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <variant>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>

#include "profiling/debug_request.hpp"
#include "profiling/request_head.hpp"

namespace {

using namespace plateau;
namespace http = boost::beast::http;

Profile nothing() {
  return Profile(std::vector<ValueType>{{"inuse_space", "bytes"}});
}

std::unique_ptr<Recording> no_recording(const RecordingOptions& /*options*/) {
  return nullptr;
}

const std::array<ProfileSource, 3> profiles{
    ProfileSource{.name = "heap", .description = "", .snapshot = nothing, .record = no_recording},
    ProfileSource{.name = "rss", .description = "", .snapshot = nothing},
    ProfileSource{.name = "profile", .description = "", .record = no_recording},
};

void require(bool holds) {
  if (!holds) std::abort();
}

void check(const DebugRequest& request, const RequestRules& rules) {
  if (request.page != DebugPage::profile) return;
  require(request.source >= profiles.data() && request.source < profiles.data() + profiles.size());
  require(!request.seconds || (request.seconds->count() > 0 && *request.seconds <= rules.longest));
  require(request.seconds ? static_cast<bool>(request.source->record) : static_cast<bool>(request.source->snapshot));
  require(!(request.seconds && request.readable));
}

void check(const Refusal& refusal, const RequestRules& /*rules*/) {
  require(refusal.status >= 400 && refusal.status < 600);
  require(!refusal.reason.empty() && refusal.reason.find('\n') == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  http::request_parser<HttpRequestBody, HttpAllocator> parser;
  parser.header_limit(8 * 1024);
  parser.body_limit(1024 * 1024);
  parser.eager(true);
  boost::beast::error_code error;
  parser.put(boost::asio::buffer(data, size), error);
  if (error || !parser.is_header_done()) return 0;
  const RequestRules rules{.profiles = profiles, .loopback = size % 2 == 0};
  const RequestHead head = head_of(parser.get());
  std::visit([&](const auto& understood) { check(understood, rules); }, understand(head, rules));
  return 0;
}
