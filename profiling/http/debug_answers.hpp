// What the debug server answers, as plain data: the pages themselves, without sockets.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "profiling/footprint.hpp"
#include "profiling/http/debug_request.hpp"
#include "profiling/http/http_answer.hpp"
#include "profiling/symbolizer.hpp"

namespace plateau {

class MetricFamilies;

// What was seen at the beginning of a span, for a page that tells of change.
struct FirstLook {
  std::chrono::steady_clock::time_point when = {};
  std::optional<Profile> heap = {};
  Footprint footprint = {};
  std::uint64_t rss_before_purge = 0;
  std::string purged = {};  // what a purge at the beginning gave back
};

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

  // Of DebugPage::footprint and holders, at the beginning of a span; purges first if asked to. `heap` is a heap profile
  // of the moment, or nothing.
  FirstLook look(const DebugRequest& request, std::optional<Profile> heap) const;
  // At its end.
  HttpAnswer change(const DebugRequest& request, const FirstLook& first, std::optional<Profile> heap);
  // Of every page but DebugPage::profile. `body` is that of the request.
  HttpAnswer page(const DebugRequest& request, std::string_view body);
  // The profile that was taken for `request`.
  HttpAnswer profile(const DebugRequest& request, Profile profile);

 private:
  HttpAnswer index() const;
  HttpAnswer processes(bool as_page);
  HttpAnswer symbols(std::string_view addresses);
  HttpAnswer metrics() const;
  Footprint take_footprint() const;
  // With the growth since the last one that was asked for.
  Footprint next_footprint();
  HttpAnswer shown(const DebugRequest& request, const Footprint& footprint) const;
  HttpAnswer holders(const DebugRequest& request, const Profile& now, const Profile* earlier, double seconds);

  std::span<const ProfileSource> profiles_;
  std::vector<std::atomic<std::uint64_t>> last_counts_;  // samples of the last profile of each source
  std::function<std::optional<std::uint64_t>()> requested_bytes_;
  std::function<void(MetricFamilies&)> more_metrics_;
  Symbolizer symbolizer_;
  // The last footprint that was asked for, to tell growth by.
  std::mutex last_footprint_mutex_;
  std::chrono::steady_clock::time_point last_footprint_time_;
  std::optional<EarlierFootprint> last_footprint_;
};

}  // namespace plateau
