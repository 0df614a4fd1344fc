#include "profiling/block_profiles.hpp"

#include <time.h>

#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "profiling/heap_profile.hpp"
#include "profiling/heap_sampler.hpp"
#include "profiling/profile_source.hpp"
#include "profiling/sampler/lifetimes.hpp"
#include "profiling/sampler/temporaries.hpp"
#include "profiling/symbols/mapping_history.hpp"

namespace plateau {
namespace {

constexpr std::array<const char*, sampler::lifetime_classes> class_names{
    "under 10 us", "under 100 us", "under 1 ms",  "under 10 ms",    "under 100 ms",
    "under 1 s",   "under 10 s",   "under 100 s", "100 s and more",
};
constexpr std::array<const char*, sampler::temporary_classes> within_names{"1 allocation", "10 allocations",
                                                                           "100 allocations", "1000 allocations"};

Profile empty_profile(std::vector<ValueType> types) {
  if (const ProfileReply reply = HeapSampler::available(); !reply.done) throw ProfileUnavailable(reply.reason);
  Profile profile(std::move(types));
  profile.period = static_cast<std::int64_t>(HeapSampler::counts().period_bytes);
  profile.default_type = "space";
  profile.drop_frames = heap_profile(1).drop_frames;
  profile.time_nanos = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  return profile;
}

void finish(Profile& profile) {
  set_process_mappings(profile);
  name_allocator_code(profile.mappings);
}

std::uint64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

struct Life {
  double objects = 0;
  double bytes = 0;
  double nanoseconds = 0;
};

// Adds to a profile while the sampler's tables are visited.
struct Context {
  Profile& profile;
  std::uint64_t not_kept;
  std::uint64_t now_ns = 0;
  std::map<std::pair<const std::uintptr_t*, std::size_t>, std::pair<std::size_t, Life>> alive = {};  // stack and class

  std::span<const std::uint64_t> stack(const std::uintptr_t* frames, std::size_t depth) const {
    return depth > 0 ? std::span<const std::uint64_t>(frames, depth) : std::span(&not_kept, 1);
  }
};

void add_life(Context& to, std::span<const std::uint64_t> stack, std::size_t lifetime_class, const Life& life,
              const char* state) {
  const std::array values{std::llround(life.objects), std::llround(life.bytes), std::llround(life.nanoseconds)};
  const std::array labels{ProfileLabel{.key = "lifetime", .text = class_names.at(lifetime_class), .unit = {}},
                          ProfileLabel{.key = "state", .text = state, .unit = {}}};
  to.profile.add(stack, std::array<std::int64_t, 3>{values[0], values[1], values[2]}, labels);
}

// Names of threads by their numbers, also of those that have ended since they were asked for: some 100 bytes each.
class ThreadNames {
 public:
  std::string with_number(std::uint32_t thread) {
    const std::string number = std::to_string(thread);
    std::string now;
    std::getline(std::ifstream("/proc/self/task/" + number + "/comm"), now);
    const std::scoped_lock lock(mutex_);
    std::string& name = names_[thread];
    if (!now.empty()) name = std::move(now);
    return (name.empty() ? "ended" : name) + ' ' + number;
  }

 private:
  std::mutex mutex_;
  std::map<std::uint32_t, std::string> names_;
};

ThreadNames& thread_names() {
  static ThreadNames names;
  return names;
}

}  // namespace

Profile lifetimes_profile() {
  Profile profile = empty_profile({{"objects", "count"}, {"space", "bytes"}, {"lifetime", "nanoseconds"}});
  const UnsampledScope unsampled;
  Context context{profile, profile.named_frame("stack not kept"), monotonic_ns()};
  HeapSampler::for_each_life(
      [](void* argument, const SampledLife& life) {
        auto& to = *static_cast<Context*>(argument);
        add_life(to, to.stack(life.frames, life.depth), life.lifetime_class,
                 {life.objects, life.bytes, life.nanoseconds}, "freed");
      },
      &context);
  HeapSampler::for_each_block(
      0,
      [](void* argument, const SampledBlock& block) {
        auto& to = *static_cast<Context*>(argument);
        const std::uint64_t age = to.now_ns > block.born_ns ? to.now_ns - block.born_ns : 0;
        auto& [depth, life] = to.alive[{block.frames, sampler::lifetime_class(age)}];
        depth = block.depth;
        life.objects += block.stands_for_objects;
        life.bytes += block.stands_for_bytes;
        life.nanoseconds += block.stands_for_objects * static_cast<double>(age);
      },
      &context);
  for (const auto& [key, value] : context.alive) {
    add_life(context, context.stack(key.first, value.first), key.second, value.second, "alive");
  }
  profile.comments.emplace_back("blocks with state \"alive\" are censored: their lifetime is that until now");
  finish(profile);
  return profile;
}

Profile crossfree_profile() {
  Profile profile = empty_profile({{"objects", "count"}, {"space", "bytes"}});
  const UnsampledScope unsampled;
  Context context{profile, profile.named_frame("stack not kept")};
  HeapSampler::for_each_crossing(
      [](void* argument, const SampledCrossing& crossing) {
        auto& to = *static_cast<Context*>(argument);
        const auto name = [](std::uint32_t thread) { return thread_names().with_number(thread); };
        const std::array labels{ProfileLabel{.key = "from", .text = name(crossing.from), .unit = {}},
                                ProfileLabel{.key = "to", .text = name(crossing.to), .unit = {}}};
        to.profile.add(to.stack(crossing.frames, crossing.depth),
                       std::array<std::int64_t, 2>{std::llround(crossing.objects), std::llround(crossing.bytes)},
                       labels);
      },
      &context);
  finish(profile);
  return profile;
}

void remember_thread_names() {
  const UnsampledScope unsampled;
  std::error_code gone;
  const std::filesystem::directory_iterator end;
  for (std::filesystem::directory_iterator thread("/proc/self/task", gone); !gone && thread != end;
       thread.increment(gone)) {
    thread_names().with_number(static_cast<std::uint32_t>(std::stoul(thread->path().filename())));
  }
}

Profile temporaries_profile() {
  Profile profile = empty_profile({{"objects", "count"}, {"space", "bytes"}});
  const UnsampledScope unsampled;
  Context context{profile, profile.named_frame("stack not kept")};
  HeapSampler::for_each_temporary(
      [](void* argument, const SampledTemporary& temporary) {
        auto& to = *static_cast<Context*>(argument);
        const std::array labels{
            ProfileLabel{.key = "within", .text = within_names.at(temporary.temporary_class), .unit = {}}};
        to.profile.add(to.stack(temporary.frames, temporary.depth),
                       std::array<std::int64_t, 2>{std::llround(temporary.objects), std::llround(temporary.bytes)},
                       labels);
      },
      &context);
  finish(profile);
  return profile;
}

}  // namespace plateau
