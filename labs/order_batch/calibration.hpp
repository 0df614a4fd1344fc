// Every number that was chosen, and why. "before" must take 10 ms an order, as the case study says: 100 a second, most
// of it waiting. All else is measured.
#pragma once

#include <cstddef>
#include <cstdint>

namespace plateau::order_batch {

inline constexpr std::uint64_t default_orders = 10'000;
// The partner's answer time: its mean, and how far it spreads (sigma of the log-normal). Chosen so that with a commit
// (0.4 ms on the machine it was chosen on) and the CPU's part an order takes 10 ms.
inline constexpr double default_partner_ms = 9;
inline constexpr double partner_sigma = 0.25;
// What the partner's contract allows: above it, it refuses. 20 % above the goal of 5,000 a second.
inline constexpr double default_partner_rate = 6000;
// So many orders at once it takes without looking at the rate: a twentieth of a second's.
inline constexpr std::int64_t partner_burst = 300;

inline constexpr std::size_t least_items = 8;
inline constexpr std::size_t most_items = 40;

// Fix `limiter`: below the contract, by what clocks and scheduling may bunch together.
inline constexpr double limiter_share = 0.93;
inline constexpr std::int64_t limiter_burst = 50;
// Fix `backpressure`: bytes of orders that may be in flight.
inline constexpr std::uint64_t default_in_flight_bytes = std::uint64_t{16} << 20;
// Fix `group_commit`: a transaction ends with so many orders, or after so long.
inline constexpr std::size_t group_orders = 256;
inline constexpr double group_ms = 2;
// Fix `ownership`: blocks of the arena of an order.
inline constexpr std::size_t arena_block_bytes = 4096;
inline constexpr std::size_t queued_task_bytes = 256;  // the most that the pool's queue keeps of a job

// A thread that mostly waits needs little stack, and reserves no more.
inline constexpr std::size_t worker_stack_bytes = 256 * 1024;
inline constexpr std::size_t most_workers = 4096;
// Memory beside the orders, for the prediction: the store's page cache, as it is set, and of each order in flight its
// future and its places in queues.
inline constexpr std::size_t store_cache_bytes = 512 * 1024;
inline constexpr std::size_t bytes_beside_an_order = 300;
inline constexpr std::size_t measured_orders = 60;  // to know an order's shares before the batch begins

// Limits of the arms: one in which the whole batch at once has room, and one in which it has not (`unbounded-queue`).
inline constexpr std::uint64_t default_limit_bytes = std::uint64_t{256} << 20;
inline constexpr std::uint64_t tight_limit_bytes = std::uint64_t{64} << 20;

// The sampler's: about one block of each order, which has some 13 kB, since a batch may be small.
inline constexpr std::uint64_t sample_period = 16 << 10;

inline constexpr std::uint64_t orders_a_digest = 250;

// A partner that does not answer within this is asked again, on a new connection.
inline constexpr std::uint64_t default_patience_ms = 1000;
inline constexpr unsigned most_attempts = 8;

}  // namespace plateau::order_batch
