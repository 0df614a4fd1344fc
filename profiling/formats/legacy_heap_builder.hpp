// Collects what a reader of heap text finds: unsamples it, sums it, and bounds its memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "profiling/formats/heap_row.hpp"
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

  // The counts of one stack, and of those of its threads that have a name.
  void add(std::span<const std::uint64_t> stack, const HeapRow& row,
           const std::map<std::string_view, HeapRow>& named_threads = {});
  void add_mapping(Mapping mapping);
  // What the dump itself says of all stacks together, after the last one: a comment tells when some are missing.
  void compare_with(const HeapCount& in_use);

  LegacyHeap take();

 private:
  HeapRow unsampled_row(const HeapRow& row) const;
  void append(std::span<const std::uint64_t> stack, const HeapRow& row);

  const LegacyHeapLimits limits_;
  LegacyHeap heap_{Profile({}), {}, {}, {}};
  std::int64_t period_ = 1;
  bool is_growth_ = false;
  std::size_t used_bytes_ = 0;
  std::vector<ProfileLabel> labels_;
};

}  // namespace plateau
