#include "profiling/waterfall/group_memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

namespace plateau {

std::optional<GroupMemory> group_memory(const CgroupFiles& files) {
  std::vector<CgroupLimit> limits = limits_on_the_way_up(files);
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  const CgroupLimit* tightest = nullptr;
  std::uint64_t used = 0;
  for (const CgroupLimit& limit : limits) {
    used = std::max(used, limit.group.held().value_or(0));
    const std::int64_t room = static_cast<std::int64_t>(limit.bytes) - static_cast<std::int64_t>(used);
    if (room >= least) continue;
    least = room;
    tightest = &limit;
  }
  if (tightest == nullptr) return std::nullopt;
  return GroupMemory{.limit_bytes = tightest->bytes,
                     .limit_file = tightest->file,
                     .usage_bytes = tightest->group.usage().value_or(0),
                     .held_bytes = tightest->group.held().value_or(0),
                     .contents = tightest->group.contents()};
}

std::string to_text(const GroupMemory& group) {
  const auto megabytes = [](std::uint64_t bytes) { return static_cast<double>(bytes) / 1e6; };
  std::string text = fmt::format("{:.1f} MB of its limit of {:.1f} MB ({})", megabytes(group.usage_bytes),
                                 megabytes(group.limit_bytes), group.limit_file);
  const char* before = ": ";
  for (const auto& [name, bytes] : {std::pair{"anon", group.contents.anonymous},
                                    {"active file", group.contents.active_file},
                                    {"inactive file", group.contents.inactive_file},
                                    {"shmem", group.contents.shared},
                                    {"kernel", group.contents.kernel},
                                    {"slab", group.contents.slab},
                                    {"sock", group.contents.sockets}}) {
    if (!bytes) continue;
    text += fmt::format("{}{} {:.1f}", before, name, megabytes(*bytes));
    before = ", ";
  }
  return text;
}

}  // namespace plateau
