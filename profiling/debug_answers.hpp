// What the debug server answers, as plain data: the pages themselves, without sockets.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "profiling/debug_request.hpp"
#include "profiling/symbolizer.hpp"

namespace plateau {

struct DebugAnswer {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::string file_name = {};  // under which a browser saves it; empty: shown
  std::string_view allow = {};
  bool retry_later = false;
};

// An error as Go's net/http/pprof gives it: one line of text.
DebugAnswer error_answer(unsigned status, std::string_view reason);

// The status of what a ProfileSource threw: 501 cannot be had here, 500 anything else.
DebugAnswer error_answer(const std::exception& error);

// Thread-safe. The functions block, for as long as the symbolizer has to read debug information at worst.
class DebugAnswers {
 public:
  DebugAnswers(std::span<const ProfileSource> profiles, std::function<std::optional<std::uint64_t>()> requested_bytes)
      : profiles_(profiles), last_counts_(profiles.size()), requested_bytes_(std::move(requested_bytes)) {}

  // Of every page but DebugPage::profile. `body` is that of the request.
  DebugAnswer page(const DebugRequest& request, std::string_view body);
  // The profile that was taken for `request`.
  DebugAnswer profile(const DebugRequest& request, Profile profile);

 private:
  DebugAnswer index() const;
  DebugAnswer symbols(std::string_view addresses);
  DebugAnswer footprint(const DebugRequest& request) const;

  std::span<const ProfileSource> profiles_;
  std::vector<std::atomic<std::uint64_t>> last_counts_;  // samples of the last profile of each source
  std::function<std::optional<std::uint64_t>()> requested_bytes_;
  Symbolizer symbolizer_;
};

}  // namespace plateau
