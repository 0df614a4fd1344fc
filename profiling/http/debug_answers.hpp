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

#include "profiling/http/debug_request.hpp"
#include "profiling/http/http_answer.hpp"
#include "profiling/symbolizer.hpp"

namespace plateau {

class MetricFamilies;

HttpAnswer refusal_answer(const Refusal& refusal);

// The status of what a ProfileSource threw: 501 cannot be had here, 500 anything else.
HttpAnswer error_answer(const std::exception& error);

// Thread-safe. The functions block, for as long as the symbolizer has to read debug information at worst.
class DebugAnswers {
 public:
  DebugAnswers(std::span<const ProfileSource> profiles, std::function<std::optional<std::uint64_t>()> requested_bytes,
               std::function<void(MetricFamilies&)> more_metrics)
      : profiles_(profiles),
        last_counts_(profiles.size()),
        requested_bytes_(std::move(requested_bytes)),
        more_metrics_(std::move(more_metrics)) {}

  // Of every page but DebugPage::profile. `body` is that of the request.
  HttpAnswer page(const DebugRequest& request, std::string_view body);
  // The profile that was taken for `request`.
  HttpAnswer profile(const DebugRequest& request, Profile profile);

 private:
  HttpAnswer index() const;
  static HttpAnswer processes(bool as_page);
  HttpAnswer symbols(std::string_view addresses);
  HttpAnswer metrics() const;
  HttpAnswer footprint(const DebugRequest& request) const;

  std::span<const ProfileSource> profiles_;
  std::vector<std::atomic<std::uint64_t>> last_counts_;  // samples of the last profile of each source
  std::function<std::optional<std::uint64_t>()> requested_bytes_;
  std::function<void(MetricFamilies&)> more_metrics_;
  Symbolizer symbolizer_;
};

}  // namespace plateau
