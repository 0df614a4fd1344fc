#include "profiling/rss_profile.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "profiling/heap_profile.hpp"
#include "profiling/heap_profiler.hpp"
#include "profiling/symbols/mapping_history.hpp"

namespace plateau {
namespace {

constexpr auto inuse_space = static_cast<std::size_t>(HeapColumn::inuse_space);

std::int64_t in_use_of(const Profile& heap) {
  std::int64_t sum = 0;
  for (const Profile::Sample& sample : heap.samples()) sum += heap.values(sample)[inuse_space];
  return sum;
}

// RSS in two: live blocks, which have stacks, and all the rest, which has names.
struct Division {
  std::int64_t live = 0;
  std::vector<MeasuredPart> rest;  // in the order of the waterfall, the residual last

  // Takes bytes out of what the allocator told, until `excess` is gone: the end of the waterfall first.
  void reduce(std::int64_t excess) {
    for (auto part = rest.rbegin(); part != rest.rend() && excess > 0; ++part) {
      if (part->part->told_by == ToldBy::kernel) continue;
      const std::int64_t less = std::min(part->bytes, excess);
      part->bytes -= less;
      excess -= less;
    }
    live -= excess;
  }
};

// Live blocks that the allocator does not tell of are in the residual: they are as many as the profile says.
Division divide(const Footprint& footprint, std::int64_t profiled) {
  Division division;
  bool live_is_told = false;
  for (const MeasuredPart& measured : footprint.parts) {
    const bool has_stacks = measured.part->id == part_id::mapped || measured.part->id == part_id::stacks;
    if (!measured.part->is_gap) {
      division.live += measured.bytes;
      live_is_told = true;
    } else if (!has_stacks) {
      division.rest.push_back(measured);
    }
  }
  if (!live_is_told) {
    division.live = profiled;
    division.rest.back().bytes -= profiled;
  }
  return division;
}

// Adds the in-use bytes of `heap`, in proportion, so that they are `total` exactly.
void add_scaled(Profile& profile, const Profile& heap, std::int64_t in_use, std::int64_t total) {
  const double factor = static_cast<double>(total) / static_cast<double>(in_use);
  std::int64_t before = 0;  // running sums, rounded: no error builds up
  std::int64_t rounded_before = 0;
  std::vector<std::uint64_t> stack;
  for (const Profile::Sample& sample : heap.samples()) {
    before += heap.values(sample)[inuse_space];
    const std::int64_t rounded =
        before == in_use ? total : static_cast<std::int64_t>(static_cast<double>(before) * factor);
    const std::array value{rounded - rounded_before};
    rounded_before = rounded;
    if (value[0] == 0) continue;
    stack.assign(heap.stack(sample).begin(), heap.stack(sample).end());
    for (std::uint64_t& address : stack) {
      if (const NamedFrame* const named = heap.frame(address)) address = profile.named_frame(*named);
    }
    profile.add(stack, value, heap.labels(sample));
  }
}

// Mappings that were made by the same stack are one sample.
void add_mappings(Profile& profile, std::span<const ProgramMapping> mappings) {
  std::map<std::pair<const std::uintptr_t*, bool>, std::pair<const ProgramMapping*, std::int64_t>> by_stack;
  for (const ProgramMapping& mapping : mappings) {
    auto& [first, bytes] = by_stack[{mapping.stack.data(), mapping.is_thread_stack}];
    first = &mapping;
    bytes += static_cast<std::int64_t>(mapping.resident_bytes);
  }
  for (const auto& [key, sum] : by_stack) {
    const auto& [mapping, bytes] = sum;
    const WaterfallPart& part = waterfall_part(mapping->is_thread_stack ? part_id::stacks : part_id::mapped);
    std::vector<std::uint64_t> stack{profile.named_frame(part.name)};
    stack.insert(stack.end(), mapping->stack.begin(), mapping->stack.end());
    profile.add(stack, std::array{bytes});
  }
}

void add_named(Profile& profile, std::string_view group, std::string_view name, std::int64_t bytes) {
  if (bytes == 0) return;
  const std::array stack{profile.named_frame(name), profile.named_frame(group)};
  profile.add(stack, std::array{bytes});
}

}  // namespace

Profile rss_profile(const std::optional<Profile>& heap, const Footprint& footprint) {
  const std::int64_t profiled = heap ? in_use_of(*heap) : 0;
  Division division = divide(footprint, profiled);

  Profile profile(std::vector<ValueType>{{"rss", "bytes"}});
  profile.default_type = "rss";
  profile.comments.push_back("allocator: " + footprint.allocator);
  if (heap) {
    profile.period = heap->period;
    profile.drop_frames = heap->drop_frames;
    profile.mappings = heap->mappings;
    profile.time_nanos = heap->time_nanos;
    profile.comments.insert(profile.comments.end(), heap->comments.begin(), heap->comments.end());
  }
  if (const std::int64_t residual = division.rest.back().bytes; residual < 0) {
    division.rest.back().bytes = 0;
    division.reduce(-residual);
    profile.comments.push_back("the allocator counts " + std::to_string(-residual) +
                               " bytes more than are resident (pages never touched); its parts are smaller by that");
  }
  const std::int64_t with_stacks = std::min(profiled, division.live);
  if (with_stacks < profiled) {
    profile.comments.push_back("stacks of live blocks are scaled from " + std::to_string(profiled) + " bytes to " +
                               std::to_string(with_stacks));
  }
  if (with_stacks > 0) add_scaled(profile, *heap, profiled, with_stacks);
  add_named(profile, "[heap]", heap ? "live blocks without a stack" : "live blocks", division.live - with_stacks);
  add_mappings(profile, footprint.mappings);
  for (const auto& [part, bytes] : division.rest) {
    add_named(profile, part->told_by == ToldBy::kernel ? "[kernel]" : "[heap]", part->name, bytes);
  }
  return profile;
}

Profile take_rss_profile() {
  HeapSnapshot heap = HeapProfiler::snapshot();
  Profile profile = rss_profile(heap.profile, take_footprint());
  if (!heap.profile) {
    set_process_mappings(profile);
    profile.time_nanos = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
    profile.comments.push_back("live blocks have no stacks: " + heap.reason);
  }
  return profile;
}

}  // namespace plateau
