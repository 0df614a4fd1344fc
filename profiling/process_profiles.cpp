#include "profiling/process_profiles.hpp"

#include <string_view>
#include <utility>

#include "profiling/block_profiles.hpp"
#include "profiling/cpu_profiler.hpp"
#include "profiling/heap_backends/allocator_inside.hpp"
#include "profiling/heap_profiler.hpp"
#include "profiling/pause_profile.hpp"
#include "profiling/profile_difference.hpp"
#include "profiling/rss_profile.hpp"

namespace plateau {
namespace {

constexpr const char* inuse_space = "inuse_space";
constexpr const char* alloc_space = "alloc_space";

Profile taken(HeapSnapshot snapshot, bool available) {
  if (snapshot.profile) return *std::move(snapshot.profile);
  if (!available) throw ProfileUnavailable(snapshot.reason);
  throw std::runtime_error(snapshot.reason);
}

// A jemalloc inside the program that nobody can ask is what the profile is not of.
Profile take_heap() {
  Profile profile = taken(HeapProfiler::snapshot(), HeapProfiler::available().done);
  if (const std::string& missing = jemalloc_out_of_reach(); !missing.empty()) {
    if (profile.samples().empty()) throw ProfileUnavailable(missing);
    profile.comments.push_back("only what malloc gave is here: " + missing);
  }
  return profile;
}

// Not every allocator that has heap profiles has this one.
Profile take_growth() {
  return taken(HeapProfiler::growth(), false);
}

class HeapDifference final : public Recording {
 public:
  explicit HeapDifference(const RecordingOptions& options) : options_(options), earlier_(take_heap()) {}

  Profile finish() override {
    using namespace std::string_view_literals;
    if (options_.keep_inuse) return difference(take_heap(), earlier_, {"inuse_objects"sv, "inuse_space"sv});
    return difference(take_heap(), earlier_);
  }

 private:
  const RecordingOptions options_;
  const Profile earlier_;
};

// All of RSS, and what of it changed: the kernel's total of a difference is that of its stacks and names.
class RssDifference final : public Recording {
 public:
  Profile finish() override { return difference(take_rss_profile(), earlier_); }

 private:
  const Profile earlier_ = take_rss_profile();
};

// What Pyroscope's job asks for without `seconds`: what was allocated since it asked before, and what is in use now.
// The first time, since the start. Keeps one profile.
class SinceLastTime {
 public:
  Profile operator()() {
    using namespace std::string_view_literals;
    Profile now = take_heap();
    Profile result = earlier_ ? difference(now, *earlier_, {"inuse_objects"sv, "inuse_space"sv}) : now;
    earlier_ = std::move(now);
    return result;
  }

 private:
  std::optional<Profile> earlier_;
};

class CpuProfile final : public Recording {
 public:
  Profile finish() override { return recording_.finish(); }

 private:
  CpuRecording recording_;
};

std::unique_ptr<Recording> record_heap(const RecordingOptions& options) {
  return std::make_unique<HeapDifference>(options);
}

std::unique_ptr<Recording> record_rss(const RecordingOptions& /*options*/) {
  return std::make_unique<RssDifference>();
}

std::unique_ptr<Recording> record_cpu(const RecordingOptions& /*options*/) {
  if (const ProfileReply reply = CpuRecording::available(); !reply.done) throw ProfileUnavailable(reply.reason);
  try {
    return std::make_unique<CpuProfile>();
  } catch (const std::runtime_error& error) {
    throw ProfileBusy(error.what());
  }
}

}  // namespace

std::vector<ProfileSource> process_profiles() {
  return {
      {.name = "allocs",
       .description = "everything allocated since the start, by stack; a rate is the difference of two",
       .default_sample_type = alloc_space,
       .snapshot = take_heap,
       .record = record_heap},
      {.name = "crossfree",
       .description = "blocks that another thread freed than allocated them, by stack and by threads",
       .default_sample_type = "space",
       .snapshot = crossfree_profile},
      {.name = "delta_heap",
       .description = "what changed in ?seconds=N; without it, what was allocated since the last such request",
       .default_sample_type = alloc_space,
       .snapshot = SinceLastTime(),
       .record = record_heap},
      {.name = "growth",
       .description = "where the heap took address space from the kernel (gperftools)",
       .snapshot = take_growth},
      {.name = "heap",
       .description = "live blocks by the stack that allocated them",
       .default_sample_type = inuse_space,
       .snapshot = take_heap,
       .record = record_heap},
      {.name = "lifetimes",
       .description = "how long blocks lived, by the stack that allocated them; those that live are marked",
       .default_sample_type = "space",
       .snapshot = lifetimes_profile},
      {.name = "pauses",
       .description = "stalls by cause: purge, teardown, collector; as the program records them",
       .snapshot = [] { return PauseProfile::process().snapshot(); }},
      {.name = "profile", .description = "CPU time by stack, over ?seconds=N (30)", .record = record_cpu},
      {.name = "rss",
       .description = "all of RSS: live blocks by stack, and slack, unused pages, files and the rest by name",
       .snapshot = take_rss_profile,
       .record = record_rss},
      {.name = "temporaries",
       .description = "blocks that their own thread freed within 1000 further allocations: what belongs in an arena",
       .default_sample_type = "space",
       .snapshot = temporaries_profile},
  };
}

}  // namespace plateau
