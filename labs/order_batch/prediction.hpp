// What a batch will do, from what a few orders cost before it begins.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "labs/order_batch/batch.hpp"

namespace plateau::order_batch {

// Of an order that is done alone.
struct Shares {
  double compute_ms = 0;
  double partner_ms = 0;
  double commit_ms = 0;
  double bytes = 0;  // in flight

  double all_ms() const { return compute_ms + partner_ms + commit_ms; }
};

// Does `measured_orders` one after another, with the partner and a store of their own beside `store_file`, which is
// removed. Half a second or so. Throws std::runtime_error.
Shares measure_shares(const BatchOptions& options, std::uint64_t seed, const std::string& store_file);

// The size of the pool, by the law, for a worker that waits for the partner and, without group commit, for the disk.
std::size_t lawful_workers(const Shares& shares, const Fixes& fixes, std::size_t cores);

// The least of what workers, cores and the limiter allow.
double predicted_orders_per_second(const Shares& shares, const BatchOptions& options, std::size_t cores);

// How much memory the batch needs beside what is there at its start: orders in flight at their most (one, what
// backpressure allows, or all), what goes with each, and the store's cache.
double predicted_growth(const Shares& shares, const BatchOptions& options, std::uint64_t orders);

}  // namespace plateau::order_batch
