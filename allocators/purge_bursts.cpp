#include "allocators/purge_bursts.hpp"

#include <algorithm>
#include <utility>

namespace plateau {
namespace {

bool joins(const PurgeBurst& burst, const PurgeEvent& event) {
  const auto gap = static_cast<std::uint64_t>(PurgeBursts::gap.count());
  const auto longest = static_cast<std::uint64_t>(PurgeBursts::longest.count());
  return event.start_ns < burst.end_ns + gap && event.start_ns < burst.start_ns + longest;
}

void join(PurgeBurst& burst, const PurgeEvent& event) {
  burst.end_ns = event.end_ns();
  burst.wall_ns += event.wall_ns;
  burst.cpu_ns += event.cpu_ns;
  burst.bytes += event.bytes;
  ++burst.calls;
  burst.arena = event.arena;
}

PurgeBurst burst_of(const PurgeEvent& event) {
  PurgeBurst burst{.start_ns = event.start_ns, .thread = event.thread, .background = event.background};
  join(burst, event);
  return burst;
}

}  // namespace

std::optional<PurgeBurst> PurgeBursts::add(const PurgeEvent& event) {
  const auto end = open_.begin() + static_cast<std::ptrdiff_t>(count_);
  const auto own = std::find_if(open_.begin(), end, [&](const PurgeBurst& b) { return b.thread == event.thread; });
  if (own != end) {
    if (!joins(*own, event)) return std::exchange(*own, burst_of(event));
    join(*own, event);
    return std::nullopt;
  }
  if (count_ == most_open) {
    const auto quiet = std::min_element(open_.begin(), end,
                                        [](const PurgeBurst& a, const PurgeBurst& b) { return a.end_ns < b.end_ns; });
    return std::exchange(*quiet, burst_of(event));
  }
  open_[count_++] = burst_of(event);
  return std::nullopt;
}

std::optional<PurgeBurst> PurgeBursts::take_ended(std::uint64_t now_ns) {
  for (std::size_t i = 0; i < count_; ++i) {
    if (now_ns < open_[i].end_ns || now_ns - open_[i].end_ns < static_cast<std::uint64_t>(gap.count())) continue;
    return std::exchange(open_[i], open_[--count_]);
  }
  return std::nullopt;
}

}  // namespace plateau
