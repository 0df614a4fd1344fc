#include "profiling/formats/legacy_heap_builder.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <stdexcept>
#include <utility>

namespace plateau {
namespace {

constexpr std::size_t most_mappings = 100'000;

// value * part / whole, for parts of a sum that is `whole`, none of them below 0.
std::int64_t share(std::int64_t value, std::int64_t part, std::int64_t whole) {
  if (part == whole) return value;
  __extension__ using Wide = __int128;
  return static_cast<std::int64_t>(static_cast<Wide>(value) * part / whole);
}

constexpr std::array columns = {
    std::pair(&HeapRow::in_use, &HeapCount::objects), std::pair(&HeapRow::in_use, &HeapCount::bytes),
    std::pair(&HeapRow::cumulative, &HeapCount::objects), std::pair(&HeapRow::cumulative, &HeapCount::bytes)};

bool has_bytes_without_objects(const HeapRow& row) {
  return (row.in_use.objects == 0 && row.in_use.bytes != 0) ||
         (row.cumulative.objects == 0 && row.cumulative.bytes != 0);
}

bool is_below_zero(const HeapRow& row) {
  return std::any_of(columns.begin(), columns.end(),
                     [&](const auto& column) { return (row.*column.first).*column.second < 0; });
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
                            std::span<const ThreadRow> threads) {
  HeapRow sampled = row;
  if (!heap_.cumulative) sampled.cumulative = {};
  if (sampled.empty()) return;
  const HeapRow whole = unsampled_row(sampled);
  HeapRow total{heap_.in_use, heap_.cumulative.value_or(HeapCount{})};
  total += whole;
  heap_.in_use = total.in_use;
  if (heap_.cumulative) heap_.cumulative = total.cumulative;

  HeapRow sampled_total{sampled_, {}};
  sampled_total += {sampled.in_use, {}};
  sampled_ = sampled_total.in_use;
  rows_without_objects_ += has_bytes_without_objects(sampled) ? 1 : 0;
  rows_below_zero_ += is_below_zero(sampled) ? 1 : 0;

  const HeapCount& sized = sampled.in_use.objects != 0 ? sampled.in_use : sampled.cumulative;
  labels_.clear();
  if (sized.objects != 0) {
    labels_.push_back({.key = "bytes", .text = {}, .number = sized.bytes / sized.objects, .unit = "bytes"});
  }
  if (threads.empty()) {
    append(stack, whole);
  } else {
    append_threads(stack, whole, threads);
  }
}

// Each thread's row is unsampled by itself, as its blocks have sizes of their own, and their sum is then what the
// stack's row says: jemalloc since 5.3 rounds each row by itself, so that rows of threads can be more than the row of
// all.
void LegacyHeapBuilder::append_threads(std::span<const std::uint64_t> stack, const HeapRow& whole,
                                       std::span<const ThreadRow> threads) {
  std::map<std::string_view, HeapRow> by_name;
  HeapRow sum;
  for (const ThreadRow& thread : threads) {
    HeapRow own = unsampled_row(thread.row);
    if (!heap_.cumulative) own.cumulative = {};
    by_name[thread.name] += own;
    sum += own;
  }
  HeapRow so_far;
  HeapRow written;
  labels_.push_back({.key = "thread", .text = {}, .number = 0, .unit = {}});
  for (const auto& [name, own] : by_name) {
    if (name.empty()) continue;
    so_far += own;
    HeapRow part;
    for (const auto& column : columns) {
      const auto count = column.first;  // clang 14 captures no names of parts
      const auto number = column.second;
      const std::int64_t all = (whole.*count).*number;
      const std::int64_t of_threads = (sum.*count).*number;
      const bool can_split = all > 0 && of_threads > 0 &&
                             std::all_of(by_name.begin(), by_name.end(),
                                         [&](const auto& one) { return (one.second.*count).*number >= 0; });
      // Rows that do not make up half of the stack are not all rows: the rest is of no thread that is known.
      if (can_split) (part.*count).*number = share(all, (so_far.*count).*number, std::max(of_threads, all / 2));
    }
    labels_.back().text = name;
    append(stack, part - written);
    written = part;
  }
  labels_.pop_back();
  append(stack, whole - written);
}

void LegacyHeapBuilder::add_mapping(Mapping mapping) {
  if (heap_.profile.mappings.size() == most_mappings) throw std::runtime_error("more than 100,000 mappings");
  heap_.profile.mappings.push_back(std::move(mapping));
}

void LegacyHeapBuilder::note(std::string sentence) {
  heap_.profile.comments.push_back(sentence);
  heap_.notes.push_back(std::move(sentence));
}

bool LegacyHeapBuilder::has_all(const HeapCount& in_use) const {
  // The sampler rounds each row by itself.
  const auto rounding = static_cast<std::int64_t>(heap_.profile.samples().size());
  const bool has_bytes =
      in_use.bytes <= sampled_.bytes || (sampled_.bytes >= 0 && in_use.bytes - sampled_.bytes <= rounding);
  if (has_bytes && in_use.objects <= sampled_.objects) return true;
  if (period_ <= 1) return false;
  // jemalloc since 5.3 writes rows that add up only when they are unsampled.
  const auto all = static_cast<double>(unsampled(in_use, period_).bytes);
  return in_use.objects > 0 && std::abs(static_cast<double>(heap_.in_use.bytes) - all) <= 0.05 * all;
}

LegacyHeap LegacyHeapBuilder::take(const SymbolSection& symbols) {
  if (rows_without_objects_ > 0) {
    note(std::to_string(rows_without_objects_) + " stacks have bytes without objects, which are counted as they are");
  }
  if (rows_below_zero_ > 0) {
    note(std::to_string(rows_below_zero_) +
         " stacks have counts below 0 (blocks that were freed while the dump was written)");
  }
  name_allocator_code(heap_.profile.mappings);
  if (!symbols.empty()) heap_.profile = symbols.applied(heap_.profile);
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
