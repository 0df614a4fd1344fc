// Collects what a reader of heap text finds: unsamples it, sums it, and bounds its memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "profiling/formats/heap_row.hpp"
#include "profiling/formats/symbol_section.hpp"
#include "profiling/legacy_heap.hpp"

namespace plateau {

// Not thread-safe. Everything throws std::runtime_error: past the limits, and on counts that do not fit or contradict
// each other.
class LegacyHeapBuilder {
 public:
  explicit LegacyHeapBuilder(const LegacyHeapLimits& limits) : limits_(limits) {}

  // One of the two comes first. `why_no_cumulative` is empty when the dump has cumulative counts.
  void begin(std::string format, std::int64_t period, std::string_view why_no_cumulative);
  void begin_growth(std::string format);

  struct ThreadRow {
    std::string_view name;  // empty: it has none
    HeapRow row;
  };

  // The counts of one stack, and of its threads: all of them, or none when none has a name.
  void add(std::span<const std::uint64_t> stack, const HeapRow& row, std::span<const ThreadRow> threads = {});
  void add_mapping(Mapping mapping);
  void note(std::string sentence);
  // Not odd, but worth to be kept with the profile.
  void comment(std::string_view sentence) { heap_.profile.comments.emplace_back(sentence); }
  bool has_begun() const { return !heap_.format.empty(); }

  // The sum over all stacks, as in the text: not unsampled.
  const HeapCount& sampled() const { return sampled_; }
  // Whether the stacks are all of which the dump itself says that they have `in_use` together.
  bool has_all(const HeapCount& in_use) const;

  LegacyHeap take(const SymbolSection& symbols);

 private:
  HeapRow unsampled_row(const HeapRow& row) const;
  void append_threads(std::span<const std::uint64_t> stack, const HeapRow& whole, std::span<const ThreadRow> threads);
  void append(std::span<const std::uint64_t> stack, const HeapRow& row);

  const LegacyHeapLimits limits_;
  LegacyHeap heap_{Profile({}), {}, {}, {}, {}};
  std::int64_t period_ = 1;
  bool is_growth_ = false;
  std::size_t used_bytes_ = 0;
  HeapCount sampled_;
  std::size_t rows_without_objects_ = 0;
  std::size_t rows_below_zero_ = 0;
  std::vector<ProfileLabel> labels_;
};

}  // namespace plateau
