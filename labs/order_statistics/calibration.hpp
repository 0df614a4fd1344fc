// Every number that was chosen, and why. "before" must take 3 to 5 s for a query and 80 % of the machine, as the case
// study says. All else is measured.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace plateau::order_statistics {

// Orders of two years. A month is 125,000 of them, which is what "after" reads: 70 ms or so.
inline constexpr std::uint64_t default_rows = 3'000'000;
// Fewer have no months worth the name.
inline constexpr std::uint64_t least_rows = 1000;

// How long the query of "before" is to take alone, by the width of the orders' notes: in the middle of what the case
// study says, a little below for the reason that two of them and a writer run at once.
inline constexpr double wanted_query_s = 3.7;
inline constexpr double least_query_s = 3;
inline constexpr double most_query_s = 5;
// What a page of 4 KiB has room for without overflow pages, which a scan would pass over.
inline constexpr std::uint64_t least_note_bytes = 16;
inline constexpr std::uint64_t most_note_bytes = 1800;
// The scan rate is measured on so many orders, at two widths; enough that sorting them does not fit in SQLite's cache.
inline constexpr std::uint64_t measured_rows = 200'000;

// Steady phase: each client asks, reads what it got for this long on average, and asks again. With as many clients as
// cores and a query of 4 s that is nine tenths of them, less what they wait for locks.
inline constexpr double default_think_s = 0.5;
inline constexpr double default_steady_s = 30;
// Rush: requests come at this rate whether or not the ones before are answered, to so many threads.
inline constexpr double default_rush_rate = 200;
inline constexpr double default_rush_s = 10;
inline constexpr std::size_t rush_clients = 8;

// Orders that come meanwhile, and how often those that have come are taken, in one transaction. More often, and with a
// rollback journal no two queries would ever run at the same time: whoever reads holds up the commit, and the commit
// that waits holds up the next reader. Half of the machine would be idle, which is not the case study's.
inline constexpr double default_order_rate = 20;
inline constexpr double default_order_group_s = 5;

// What clients ask for: months by Zipf's law, the most recent first; a quarter of them for active orders only; and now
// and then for a month that has no orders yet.
inline constexpr double zipf_exponent = 1.1;
inline constexpr double share_active_only = 0.25;
inline constexpr double share_of_the_future = 0.02;
// Orders that are paid, packed or shipped: most of the last month's, few of the rest.
inline constexpr double active_share_recent = 0.6;
inline constexpr double active_share_old = 0.03;
inline constexpr int recent_days = 30;

// Fix `local_cache`: an answer may be so old; entries live between half of that and all of it.
inline constexpr double default_max_age_s = 30;
inline constexpr std::uint64_t default_cache_bytes = std::uint64_t{1} << 20;

// Wrong fix `limit-offset`: orders on a page.
inline constexpr std::int64_t page_orders = 1000;

// SQLite's own page cache of each connection (its default), and how long a connection sleeps between looks at a lock.
inline constexpr std::int64_t page_cache_kib = 2000;
inline constexpr std::chrono::microseconds lock_poll{1000};
inline constexpr std::chrono::seconds lock_patience{120};

inline constexpr std::uint64_t default_limit_bytes = std::uint64_t{512} << 20;

}  // namespace plateau::order_statistics
