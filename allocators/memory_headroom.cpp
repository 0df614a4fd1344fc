#include "allocators/memory_headroom.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "allocators/process_memory.hpp"

namespace plateau {
namespace {

// Calls visit(limit, used) for each limit, a process's own group first. What a group uses counts in those above it as
// well, whose own files may not say so (a container's may be hidden).
template <class Visit>
void for_each_use(const std::vector<CgroupLimit>& limits, Visit visit) {
  std::uint64_t used = 0;
  for (const CgroupLimit& limit : limits) {
    used = std::max(used, limit.group.held().value_or(0));
    visit(limit, used);
  }
}

// Less than nothing when the limit is passed.
std::int64_t room_of(const CgroupLimit& limit, std::uint64_t used) noexcept {
  return static_cast<std::int64_t>(limit.bytes) - static_cast<std::int64_t>(used);
}

}  // namespace

MemoryHeadroom::MemoryHeadroom(std::optional<std::uint64_t> limit_bytes, const CgroupFiles& files) {
  if (limit_bytes) {
    limit_ = *limit_bytes;
    source_ = "given";
    return;
  }
  limits_ = limits_on_the_way_up(files);
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for_each_use(limits_, [&](const CgroupLimit& limit, std::uint64_t used) {
    if (room_of(limit, used) >= least) return;
    least = room_of(limit, used);
    kind_ = Kind::cgroup;
    limit_ = limit.bytes;
    source_ = limit.file;
  });
  rlimit data{};
  if (::getrlimit(RLIMIT_DATA, &data) == 0 && data.rlim_cur != RLIM_INFINITY &&
      (limits_.empty() || data.rlim_cur < limit_)) {
    if (!own_data_bytes()) {
      throw std::runtime_error(
          "RLIMIT_DATA limits this process, and its kernel does not say how much is used (no VmData in "
          "/proc/thread-self/status): give a limit");
    }
    kind_ = Kind::rlimit_data;
    limit_ = data.rlim_cur;
    source_ = "RLIMIT_DATA";
  }
  if (source_.empty()) {
    throw std::runtime_error("no memory limit holds for this process (neither a cgroup's nor RLIMIT_DATA): give one");
  }
}

std::uint64_t MemoryHeadroom::used_bytes() const noexcept {
  switch (kind_) {
    case Kind::given:
      return own_rss_bytes();
    case Kind::rlimit_data:
      return own_data_bytes().value_or(0);
    case Kind::cgroup:
      break;
  }
  std::int64_t least = static_cast<std::int64_t>(limit_);
  for_each_use(limits_, [&least](const CgroupLimit& limit, std::uint64_t used) {
    least = std::min(least, room_of(limit, used));
  });
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(limit_) - least);
}

}  // namespace plateau
