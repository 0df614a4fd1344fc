#include "profiling/formats/legacy_heap_builder.hpp"

#include <stdexcept>
#include <utility>

namespace plateau {
namespace {

constexpr std::size_t most_mappings = 100'000;

bool is_part(const HeapRow& part, const HeapRow& whole) {
  return part.in_use.objects <= whole.in_use.objects && part.in_use.bytes <= whole.in_use.bytes &&
         part.cumulative.objects <= whole.cumulative.objects && part.cumulative.bytes <= whole.cumulative.bytes;
}

// value * part / whole, for part <= whole.
std::int64_t share(std::int64_t value, std::int64_t part, std::int64_t whole) {
  if (part == whole) return value;
  __extension__ using Wide = __int128;
  return static_cast<std::int64_t>(static_cast<Wide>(value) * part / whole);
}

HeapRow share(const HeapRow& value, const HeapRow& part, const HeapRow& whole) {
  return {{share(value.in_use.objects, part.in_use.objects, whole.in_use.objects),
           share(value.in_use.bytes, part.in_use.bytes, whole.in_use.bytes)},
          {share(value.cumulative.objects, part.cumulative.objects, whole.cumulative.objects),
           share(value.cumulative.bytes, part.cumulative.bytes, whole.cumulative.bytes)}};
}

}  // namespace

void LegacyHeapBuilder::begin(std::string format, std::int64_t period, std::string_view why_no_cumulative) {
  period_ = period;
  heap_.profile = heap_profile(period);
  heap_.profile.comments.push_back("format: " + format);
  heap_.format = std::move(format);
  if (why_no_cumulative.empty()) {
    heap_.cumulative.emplace();
  } else {
    heap_.profile.comments.push_back("alloc_objects and alloc_space are not available: " +
                                     std::string(why_no_cumulative));
  }
}

void LegacyHeapBuilder::begin_growth(std::string format) {
  is_growth_ = true;
  heap_.profile = Profile({{"objects", "count"}, {"space", "bytes"}});
  heap_.profile.period = 1;
  heap_.profile.default_type = "space";
  heap_.profile.drop_frames = heap_profile(1).drop_frames;
  heap_.profile.comments.push_back("format: " + format);
  heap_.format = std::move(format);
}

void LegacyHeapBuilder::add(std::span<const std::uint64_t> stack, const HeapRow& row,
                            const std::map<std::string_view, HeapRow>& named_threads) {
  HeapRow sampled = row;
  if (!heap_.cumulative) sampled.cumulative = {};
  if (sampled.empty()) return;
  const HeapRow whole = unsampled_row(sampled);
  HeapRow total{heap_.in_use, heap_.cumulative.value_or(HeapCount{})};
  total += whole;
  heap_.in_use = total.in_use;
  if (heap_.cumulative) heap_.cumulative = total.cumulative;

  const HeapCount& sized = sampled.in_use.objects != 0 ? sampled.in_use : sampled.cumulative;
  labels_.clear();
  labels_.push_back({.key = "bytes", .text = {}, .number = sized.bytes / sized.objects, .unit = "bytes"});
  HeapRow written;  // of `whole`
  if (!named_threads.empty()) {
    // All rows of a stack are unsampled by the factor of the whole, and rounded so that they add up to it.
    labels_.push_back({.key = "thread", .text = {}, .number = 0, .unit = {}});
    HeapRow threads;
    for (const auto& [name, own] : named_threads) {
      threads += own;
      if (!heap_.cumulative) threads.cumulative = {};
      if (!is_part(threads, sampled)) throw std::runtime_error("the threads of a stack have more than all threads");
      const HeapRow so_far = share(whole, threads, sampled);
      labels_.back().text = name;
      append(stack, so_far - written);
      written = so_far;
    }
    labels_.pop_back();
  }
  append(stack, whole - written);
}

void LegacyHeapBuilder::add_mapping(Mapping mapping) {
  if (heap_.profile.mappings.size() == most_mappings) throw std::runtime_error("more than 100,000 mappings");
  heap_.profile.mappings.push_back(std::move(mapping));
}

void LegacyHeapBuilder::compare_with(const HeapCount& in_use) {
  // The sampler rounds each row by itself.
  const auto rounding = static_cast<std::int64_t>(heap_.profile.samples().size());
  if (in_use.bytes - heap_.in_use.bytes <= rounding) return;
  heap_.profile.comments.push_back("incomplete: the stacks of the dump have " + std::to_string(heap_.in_use.bytes) +
                                   " of " + std::to_string(in_use.bytes) +
                                   " bytes in use (gperftools' text holds 1 MiB, and of more the largest stacks)");
}

LegacyHeap LegacyHeapBuilder::take() {
  name_allocator_code(heap_.profile.mappings);
  return std::move(heap_);
}

HeapRow LegacyHeapBuilder::unsampled_row(const HeapRow& row) const {
  return {unsampled(row.in_use, period_), unsampled(row.cumulative, period_)};
}

void LegacyHeapBuilder::append(std::span<const std::uint64_t> stack, const HeapRow& row) {
  if (row.empty()) return;
  used_bytes_ += sizeof(Profile::Sample) + sizeof(HeapValues) + stack.size_bytes();
  if (used_bytes_ > limits_.profile_bytes) {
    throw std::runtime_error("more than " + std::to_string(limits_.profile_bytes >> 20) + " MiB of stacks");
  }
  const HeapValues values = {row.cumulative.objects, row.cumulative.bytes, row.in_use.objects, row.in_use.bytes};
  heap_.profile.add(stack, is_growth_ ? std::span(values).last(2) : std::span(values), labels_);
}

}  // namespace plateau
