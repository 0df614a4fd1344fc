// Where RSS is: what the program asked for, what the allocator keeps around it, and what is no heap at all.
//
// The figures of the allocator and of the kernel are of two moments that lie microseconds apart, and an allocator may
// count pages that were never touched, so the parts do not meet RSS by themselves. The difference is the last part,
// with its sign.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "allocators/heap.hpp"
#include "profiling/program_mappings.hpp"

namespace plateau {

// Parts that are no blocks of any malloc and yet have stacks, where the sampler is loaded.
inline constexpr std::string_view mapped_by_program = "mapped by the program";
inline constexpr std::string_view thread_stacks = "thread stacks";

// A part of RSS, and the knobs that can and cannot make it smaller.
struct FootprintPart {
  std::string_view name;
  std::int64_t bytes = 0;  // negative only for what is untracked
  std::string_view meaning;
  std::string_view closed_by;
  std::string_view not_closed_by;
  bool gap = true;        // false: live data of the program, which is no loss
  bool measured = false;  // by the kernel, in resident pages; else the allocator's word, which may count untouched ones
};

struct Footprint {
  std::string allocator;  // name and version
  std::uint64_t rss_bytes = 0;
  std::uint64_t peak_rss_bytes = 0;
  // The steps of the waterfall as they were read; what is not known is empty.
  HeapStatistics heap;
  std::optional<std::uint64_t> huge_page_bytes;  // of RSS, in transparent huge pages
  std::vector<ProgramMapping> mappings;          // that the program made itself, and stacks of threads
  // In the order of the waterfall. Their bytes add up to rss_bytes exactly; the last one is the residual.
  std::vector<FootprintPart> parts;

  const FootprintPart& residual() const { return parts.back(); }
  // The largest part that is no live data.
  const FootprintPart& largest_gap() const;
};

// Of the calling process. `requested_bytes`: what the program counted itself as asked for and not given back; no
// allocator tells it. Thread-safe. Cost: see Heap::statistics and own_anonymous_memory. Throws std::runtime_error when
// /proc cannot be read.
Footprint take_footprint(std::optional<std::uint64_t> requested_bytes = std::nullopt);

// The same from figures that were read before, for those who have them.
struct FootprintInput {
  HeapStatistics heap;
  std::uint64_t rss_bytes = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t shared_bytes = 0;
  std::optional<std::uint64_t> lazily_freed_bytes;
  std::span<const ProgramMapping> mappings = {};
};
std::vector<FootprintPart> footprint_parts(const FootprintInput& input);

// {"rss_bytes": N, "steps": {"requested": N|null, ...}, "parts": [...], "residual_bytes": N, "largest_gap": {...}, ...}
std::string to_json(const Footprint& footprint);

// One screen, lines of at most 100 characters.
std::string to_text(const Footprint& footprint);

}  // namespace plateau
