// Where the RSS of this process is: the waterfall of this moment, and its largest gap.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "allocators/heap.hpp"
#include "profiling/program_mappings.hpp"
#include "profiling/waterfall/group_memory.hpp"
#include "profiling/waterfall/waterfall.hpp"

namespace plateau {

// Bytes of live blocks that were never touched, by the stack that asked for them.
struct UntouchedBlocks {
  std::uint64_t bytes = 0;
  std::span<const std::uintptr_t> stack = {};  // as of ProgramMapping
};

// What RSS was made of some time before.
struct EarlierFootprint {
  double seconds = 0;  // before
  std::uint64_t rss_bytes = 0;
  std::vector<MeasuredPart> parts;
};

struct Footprint {
  std::string program;    // its name
  std::string allocator;  // name and version
  std::uint64_t rss_bytes = 0;
  std::uint64_t peak_rss_bytes = 0;
  HeapStatistics heap;                           // as it was read; what is not known is empty
  std::optional<std::uint64_t> huge_page_bytes;  // of RSS, in transparent huge pages
  std::vector<ProgramMapping> mappings;          // that the program made itself, and stacks of threads
  std::optional<ResidentMemory> resident;        // whose the pages are; empty where the kernel has no smaps
  std::vector<UntouchedBlocks> untouched;        // large ones, as far as they were sampled
  std::vector<MeasuredPart> parts;               // see measure_waterfall()
  std::optional<GroupMemory> group;              // of the cgroup with the least room; empty where none is limited
  std::optional<EarlierFootprint> earlier;       // to tell growth by; take_footprint() leaves it to the caller
  std::string grows_under;                       // the function that most live blocks grow under; likewise
  std::string purged;                            // what came of a purge before this; likewise

  const MeasuredPart& residual() const { return parts.back(); }
  const MeasuredPart& largest_gap() const { return plateau::largest_gap(parts); }
  // Whether that is worth a word: a tenth of RSS at least.
  bool has_gap() const { return largest_gap().bytes >= static_cast<std::int64_t>(rss_bytes / 10); }
};

// Takes the footprint of the calling process. `requested_bytes` is what the program counted itself as asked for and not
// given back; no allocator tells it. Thread-safe. Costs what Heap::statistics_with_slabs and own_anonymous_memory cost.
// Throws std::runtime_error when /proc cannot be read.
Footprint take_footprint(std::optional<std::uint64_t> requested_bytes = std::nullopt);

// {"program": NAME, "headline": SENTENCE, "rss_bytes": N, "steps": {"requested": N|null, ...}, "parts": [...],
//  "residual_bytes": N, "largest_gap": {...}|null, "knobs": [...], "group": {...}|null, ...}
std::string to_json(const Footprint& footprint);

// One screen, lines of at most 120 characters.
std::string to_text(const Footprint& footprint);

}  // namespace plateau
