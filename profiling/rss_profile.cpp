#include "profiling/rss_profile.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "profiling/heap_profile.hpp"
#include "profiling/heap_profiler.hpp"
#include "profiling/symbols/mapping_history.hpp"
#include "profiling/waterfall/verdict.hpp"

namespace plateau {
namespace {

constexpr auto inuse_space = static_cast<std::size_t>(HeapColumn::inuse_space);

// Bytes in use of each sample that were touched at all.
std::vector<std::int64_t> resident_values(const Profile& heap, std::span<const UntouchedBlocks> untouched) {
  std::map<std::vector<std::uint64_t>, std::int64_t> absent;
  for (const UntouchedBlocks& blocks : untouched)
    absent[{blocks.stack.begin(), blocks.stack.end()}] += static_cast<std::int64_t>(blocks.bytes);
  std::vector<std::int64_t> values;
  values.reserve(heap.samples().size());
  for (const Profile::Sample& sample : heap.samples()) {
    std::int64_t bytes = heap.values(sample)[inuse_space];
    if (!absent.empty()) {
      const auto stack = heap.stack(sample);
      if (const auto found = absent.find({stack.begin(), stack.end()}); found != absent.end()) {
        const std::int64_t less = std::clamp<std::int64_t>(found->second, 0, std::max<std::int64_t>(bytes, 0));
        found->second -= less;  // a stack may have several samples
        bytes -= less;
      }
    }
    values.push_back(bytes);
  }
  return values;
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
    if (!measured.part->is_gap) {
      division.live += measured.bytes;
      live_is_told = true;
    } else {
      division.rest.push_back(measured);
    }
  }
  if (!live_is_told) {
    division.live = profiled;
    division.rest.back().bytes -= profiled;
  }
  return division;
}

// Adds `values`, in proportion, so that they are `total` exactly; they add up to `sum`.
void add_scaled(Profile& profile, const Profile& heap, std::span<const std::int64_t> values, std::int64_t sum,
                std::int64_t total) {
  const double factor = static_cast<double>(total) / static_cast<double>(sum);
  std::int64_t before = 0;  // running sums, rounded: no error builds up
  std::int64_t rounded_before = 0;
  std::vector<std::uint64_t> stack;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Profile::Sample& sample = heap.samples()[i];
    before += values[i];
    const std::int64_t rounded =
        before == sum ? total : static_cast<std::int64_t>(static_cast<double>(before) * factor);
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

std::string_view part_of(const ProgramMapping& mapping) {
  if (mapping.is_thread_stack) return part_id::stacks;
  if (mapping.is_shared) return part_id::shared;
  if (mapping.is_interpreters) return part_id::interpreter;
  return mapping.is_file ? part_id::file : part_id::mapped;
}

// Adds what of `part` has stacks, and returns the bytes that have none. Mappings that were made by the same stack are
// one sample; together they are no more than the part.
std::int64_t add_mappings(Profile& profile, const MeasuredPart& part, std::string_view name,
                          std::span<const ProgramMapping> mappings) {
  std::map<const std::uintptr_t*, std::pair<std::span<const std::uintptr_t>, std::int64_t>> by_stack;
  for (const ProgramMapping& mapping : mappings) {
    if (part_of(mapping) != part.part->id) continue;
    auto& [stack, bytes] = by_stack[mapping.stack.data()];
    stack = mapping.stack;
    bytes += static_cast<std::int64_t>(mapping.resident_bytes);
  }
  std::int64_t left = part.bytes;
  for (const auto& [key, sum] : by_stack) {
    const std::int64_t bytes = std::min(sum.second, left);
    if (bytes <= 0) continue;
    std::vector<std::uint64_t> stack{profile.named_frame(name)};
    stack.insert(stack.end(), sum.first.begin(), sum.first.end());
    profile.add(stack, std::array{bytes});
    left -= bytes;
  }
  return left;
}

void add_named(Profile& profile, std::string_view group, std::string_view name, std::int64_t bytes) {
  if (bytes == 0) return;
  const std::array stack{profile.named_frame(name), profile.named_frame(group)};
  profile.add(stack, std::array{bytes});
}

}  // namespace

Profile rss_profile(const std::optional<Profile>& heap, const Footprint& footprint) {
  const std::vector<std::int64_t> values =
      heap ? resident_values(*heap, footprint.untouched) : std::vector<std::int64_t>{};
  const std::int64_t profiled = std::accumulate(values.begin(), values.end(), std::int64_t{0});
  Division division = divide(footprint, profiled);

  Profile profile(std::vector<ValueType>{{"rss", "bytes"}});
  profile.default_type = "rss";
  if (!heap) profile.comments.push_back("allocator: " + footprint.allocator);  // a heap profile says so itself
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
  if (with_stacks > 0) add_scaled(profile, *heap, values, profiled, with_stacks);
  add_named(profile, "[heap]", heap ? "live blocks without a stack" : "live blocks", division.live - with_stacks);
  for (const MeasuredPart& part : division.rest) {
    const std::string name = shown_name(footprint, *part.part);
    const std::int64_t without_stack = add_mappings(profile, part, name, footprint.mappings);
    add_named(profile, part.part->told_by == ToldBy::kernel ? "[kernel]" : "[heap]", name, without_stack);
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
