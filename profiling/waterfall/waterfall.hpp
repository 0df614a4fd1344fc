// The RSS waterfall: what RSS is made of, from the blocks that the program asked for to what is no heap at all. Each
// part has an id, words and its measurement in one row of one table, parts.cpp; who shows parts, asks for them here and
// joins them by id.
//
// The figures of the allocator and of the kernel are of two moments that lie microseconds apart, and an allocator may
// count pages that were never touched, so the parts do not meet RSS by themselves. Where the kernel's word on each
// mapping is known, what an allocator counts too much is taken off its parts, free memory first and live blocks last;
// the difference that remains is the last part, with its sign.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "allocators/heap.hpp"
#include "profiling/program_mappings.hpp"
#include "profiling/waterfall/resident_memory.hpp"

namespace plateau {

// All that a part is computed from, as it was read. What is not known is empty, never 0.
struct WaterfallInput {
  HeapStatistics heap;
  std::uint64_t rss_bytes = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t shared_bytes = 0;
  std::optional<std::uint64_t> lazily_freed_bytes =
      {};  // the kernel's word; without it the allocator's is taken: muzzy
  std::span<const ProgramMapping> mappings = {};
  // Whose the resident pages are. Without it an allocator's word is taken for what is resident, and the residual may be
  // below 0; with it no part is larger than RSS.
  const ResidentMemory* resident = nullptr;
  std::optional<std::uint64_t> sampled_live_bytes = {};  // taken where the allocator does not tell its live blocks
  std::uint64_t own_heap_bytes = 0;                      // of live blocks, as far as sampled: Plateau's
  std::uint64_t untouched_bytes = 0;  // of live blocks, as far as sampled: never touched, and so not resident
};

// Who says how large a part is. The allocator may count pages that were never touched; the kernel counts resident ones.
enum class ToldBy { allocator, kernel };

// A part of RSS, and what can and cannot make it smaller.
struct WaterfallPart {
  std::string_view id;  // one word: the key in JSON, the head of a column; never changes its meaning
  std::string_view name;
  std::string_view meaning;
  std::string_view closed_by;
  std::string_view not_closed_by;
  bool is_gap = true;    // false: live data of the program, which is no loss
  bool is_ours = false;  // Plateau's own, and no concern of the program's
  ToldBy told_by = ToldBy::allocator;
  // Bytes of the part; empty when the figures do not tell. Null only for the residual.
  std::optional<std::uint64_t> (*measure)(const WaterfallInput& input) = nullptr;

  constexpr bool is_residual() const { return measure == nullptr; }
};

// Ids of parts that code asks for; all others are known to the table alone.
namespace part_id {
inline constexpr std::string_view mapped =
    "mapped";  // no block of any malloc, and yet it has stacks: see rss_profile.hpp
inline constexpr std::string_view stacks = "stacks";            // likewise
inline constexpr std::string_view shared = "shared";            // likewise, as far as the sampler saw who mapped it
inline constexpr std::string_view file = "file";                // likewise
inline constexpr std::string_view interpreter = "interpreter";  // likewise
}  // namespace part_id

// All parts in the order of the waterfall, the residual last.
std::span<const WaterfallPart> waterfall_parts();

// The part of this id. Throws std::out_of_range when there is none.
const WaterfallPart& waterfall_part(std::string_view id);

struct MeasuredPart {
  const WaterfallPart* part;  // a row of waterfall_parts()
  std::int64_t bytes = 0;     // negative only for the residual
};

// The parts that the figures tell, in the order of the waterfall. Their bytes add up to input.rss_bytes exactly; the
// last one is the residual. Thread-safe.
std::vector<MeasuredPart> measure_waterfall(const WaterfallInput& input);

// Bytes of the part of this id; empty when it was not measured.
std::optional<std::int64_t> bytes_of(std::span<const MeasuredPart> parts, std::string_view id);

// The largest part that is neither live data nor Plateau's; the residual competes with the others. `parts` is not
// empty.
const MeasuredPart& largest_gap(std::span<const MeasuredPart> parts);

}  // namespace plateau
