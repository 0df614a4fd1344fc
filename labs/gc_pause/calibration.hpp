// Every number that was chosen, and why. "before" must behave as the case study says: a heap of 2 GB, and pauses of 100
// to 200 ms every 10 s. All else is measured.
#pragma once

#include <cstddef>
#include <cstdint>

namespace plateau::gc_pause {

// The data that sessions hold, as bytes asked for; a period is how often the oldest generation of them expires.
inline constexpr std::uint64_t default_heap_bytes = std::uint64_t{2} << 30;
inline constexpr double default_period_s = 10;
inline constexpr std::uint64_t default_periods = 6;

// A generation is a tenth of the heap: in each of two lanes about 100 MB, of which an eighth is small blocks.
inline constexpr std::uint64_t generations = 10;

// Two partitions of the request stream. A lane is served by one worker at a time and moves to its next worker with each
// generation, as pools of threads do over a day: what a generation frees belongs to the arena of a thread that is idle
// by then, and the generation that replaces it is filled from another.
inline constexpr std::size_t lanes = 2;
inline constexpr std::size_t workers_per_lane = 8;
inline constexpr std::size_t workers = lanes * workers_per_lane;
// jemalloc's default on four CPUs, and one for each worker: so that the machine does not decide who shares an arena.
inline constexpr std::size_t arenas = 16;

inline constexpr std::size_t events_per_request = 6;
inline constexpr std::size_t least_attributes = 2;
inline constexpr std::size_t most_attributes = 8;       // two more are added by the service
inline constexpr std::size_t room_for_attributes = 10;  // as in the case
inline constexpr std::uint64_t requests_per_session = 6;
// The page as it was rendered for the session. A generation has as many sessions as fit into its bytes, so this sets
// how many objects are taken apart at its end, and in how many runs of pages (calls of madvise, with decay 0). How long
// that takes is the machine's: the size is chosen at the start, so that the pause of a heap of 2 GB is that of the
// case.
inline constexpr std::size_t default_page_bytes = 224 * 1024;  // where nothing is chosen
inline constexpr std::size_t least_page_bytes = 8 * 1024;
inline constexpr std::size_t most_page_bytes = 1024 * 1024;
inline constexpr double wanted_pause_ms = 140;  // the case's 100 to 200, as far from one as from the other
inline constexpr std::uint64_t least_fitted_heap_bytes = std::uint64_t{256}
                                                         << 20;  // of a smaller one, noise is measured

// Blocks of the arena of a generation in a lane.
inline constexpr std::size_t arena_block_bytes = 2 * 1024 * 1024;

// The memory limit of the arms, and the soft limit that keeps away from it, as shares of the heap.
inline constexpr double limit_over_heap = 1.35;
inline constexpr double limit_over_collected_heap = 2.5;  // a collector needs room for what is garbage by now
inline constexpr double soft_limit_over_heap = 1.2;
inline constexpr std::uint64_t limit_of_the_rest_bytes = std::uint64_t{32} << 20;  // code, stacks, half-empty blocks

// What the fix `decay` keeps of unused pages, as a percentage of live bytes.
inline constexpr std::uint32_t retain_percent = 25;

inline constexpr std::uint64_t batch_requests = 1000;  // of a lane, to a digest

}  // namespace plateau::gc_pause
