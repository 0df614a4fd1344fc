// Whatever a client sends, the debug server understands it as a request for something that exists, within its bounds,
// or refuses it in one line with a status that is an error. The bytes are read by the reader and the limits of the
// server.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <variant>

#include "profiling/http/debug_request.hpp"
#include "profiling/http/request_head.hpp"
#include "profiling/http/request_reader.hpp"

namespace {

using namespace plateau;

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
  const HttpLimits limits;
  BodyBudget budget(limits.all_bodies_bytes);
  RequestReader reader(limits, HttpAllocator(), budget);
  reader.take({reinterpret_cast<const char*>(data), size});
  if (!reader.is_complete()) return 0;
  const RequestRules rules{.profiles = profiles, .loopback = size % 2 == 0};
  const HttpRequest request = reader.release();
  const RequestHead head = head_of(request);
  std::visit([&](const auto& understood) { check(understood, rules); }, understand(head, rules));
  return 0;
}
