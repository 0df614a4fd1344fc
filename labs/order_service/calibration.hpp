// Every number that was chosen, and why. "before" must behave as the case study says: 100 MB at start, 500 MB after an
// hour, 2 GB and killed after six, 5 MB/s of allocation. All else is measured.
#pragma once

#include <cstddef>
#include <cstdint>

namespace plateau::order_service {

// Load. 10 orders a second with 0.5 MB of churn each are the 5 MB/s of the case.
inline constexpr double orders_per_second = 10;

// Two partitions of the order stream, each with a worker at a time; a lane moves to its next worker when a batch is
// settled, as a thread pool does that hands each task to the thread that has been idle longest. Eight workers are eight
// arenas on jemalloc (four for each CPU).
inline constexpr std::size_t lanes = 2;
inline constexpr std::size_t workers_per_lane = 4;
inline constexpr std::size_t workers = lanes * workers_per_lane;
inline constexpr std::uint32_t calibration_settlement_orders = 1200;  // in a batch of one lane: four minutes

// The data that requests read: about 76 MB, so that the process starts at about 100 MB less what code and stacks take.
inline constexpr std::uint32_t product_count = 20'000;
inline constexpr std::uint32_t customer_count = 60'000;
inline constexpr std::uint32_t past_order_count = 1'840'000;
inline constexpr std::uint32_t related_per_customer = 62;  // ids in the query: quadratic in the naive builder

// Every confirmation carries the terms of sale of the customer's country.
inline constexpr std::uint32_t terms_variants = 8;
inline constexpr std::size_t terms_bytes = 7500;

// Payload drift: through the six hours of a shift, notes grow longer and orders have fewer lines, so the bytes of an
// order stay about the same while its blocks walk through the size classes. Six hours are also what history keeps.
inline constexpr double shift_s = 6 * 3600;
inline constexpr double shortest_note = 80;
inline constexpr double note_growth = 5;     // last note of the shift / first
inline constexpr double item_overhead = 72;  // what an item takes beside its note
inline constexpr double item_bytes_an_order = 4700;
inline constexpr double line_count_sigma = 0.35;  // of the log-normal
inline constexpr std::size_t max_lines = 256;
inline constexpr std::size_t max_note = 4096;
inline constexpr double zipf_exponent = 0.9;

// Downstream: every acknowledgement but those of partners that never send one.
inline constexpr std::uint64_t never_acknowledged_per_mille = 430;

// History: every order is recorded; the audit keeps the note of one in three.
inline constexpr double history_s = 6 * 3600;
inline constexpr std::uint64_t audited_one_in = 3;
inline constexpr std::size_t recent_orders = 8;

}  // namespace plateau::order_service
