// A handler with the rules of the debug server and pages that cost nothing, which tell what was read.
#pragma once

#include <array>
#include <functional>
#include <memory_resource>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "profiling/http/debug_request.hpp"
#include "profiling/http/http_answer.hpp"
#include "profiling/http/request_head.hpp"

namespace plateau::testing {

// What RulesHandler answers to a request with this body.
inline std::string text_for(std::string_view body) {
  return std::to_string(body.size()) + " bytes, " + std::to_string(std::hash<std::string_view>()(body)) + "\n";
}

class RulesHandler final : public HttpHandler {
 public:
  std::pmr::memory_resource& memory_for_request(std::pmr::memory_resource& until_answered) override {
    return uses_arenas ? until_answered : *std::pmr::new_delete_resource();
  }
  boost::asio::awaitable<HttpAnswer> answer(const HttpRequest& request,
                                            boost::asio::ip::tcp::socket& /*client*/) override {
    const auto understood = understand(head_of(request), {.profiles = profiles_});
    if (const auto* const refusal = std::get_if<Refusal>(&understood)) {
      HttpAnswer answer = error_answer(refusal->status, refusal->reason);
      answer.allow = refusal->allow;
      co_return answer;
    }
    co_return HttpAnswer{.body = text_for(request.body())};
  }

  bool uses_arenas = false;

 private:
  static Profile nothing() { return Profile(std::vector<ValueType>{{"inuse_space", "bytes"}}); }
  static std::unique_ptr<Recording> no_recording(const RecordingOptions& /*options*/) { return nullptr; }

  const std::array<ProfileSource, 2> profiles_{
      ProfileSource{.name = "heap", .description = "", .snapshot = nothing, .record = no_recording},
      ProfileSource{.name = "profile", .description = "", .record = no_recording},
  };
};

}  // namespace plateau::testing
