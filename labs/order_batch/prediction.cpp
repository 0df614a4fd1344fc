#include "labs/order_batch/prediction.hpp"

#include <algorithm>
#include <stdexcept>

#include "labs/order_batch/calibration.hpp"

namespace plateau::order_batch {

Shares measure_shares(const BatchOptions& options, std::uint64_t seed, const std::string& store_file) {
  const std::string file = store_file + "-measured";
  sqlite::remove_database(file);
  BatchReport report;
  {
    Store store(file);
    BatchOptions alone = options;
    alone.fixes = Fixes{.ownership = with_what_goes_along(options.fixes).ownership};
    // Other orders than those of the batch, as far as the partner knows.
    const auto source = generated_orders(seed + 1, measured_orders);
    Batch batch(alone, *source, store, {});
    report = batch.run({});
  }
  sqlite::remove_database(file);
  if (report.acknowledged == 0)
    throw std::runtime_error("no order could be done before the batch: " + report.failures.at(0).reason);
  const auto orders = static_cast<double>(report.acknowledged);
  const auto ms = [&](std::chrono::nanoseconds sum) { return static_cast<double>(sum.count()) / 1e6 / orders; };
  return {.compute_ms = ms(report.compute),
          .partner_ms = ms(report.partner),
          .commit_ms = ms(report.commit),
          .bytes = static_cast<double>(report.mean_bytes)};
}

std::size_t lawful_workers(const Shares& shares, const Fixes& fixes, std::size_t cores) {
  const double wait_ms = shares.partner_ms + (fixes.group_commit ? 0 : shares.commit_ms);
  return workers_for(cores, wait_ms, shares.compute_ms);
}

double predicted_orders_per_second(const Shares& shares, const BatchOptions& options, std::size_t cores) {
  const Fixes fixes = with_what_goes_along(options.fixes);
  if (!fixes.workers)
    return 1e3 / (shares.compute_ms + shares.partner_ms + (fixes.group_commit ? 0 : shares.commit_ms));
  const double by_workers = 1e3 * static_cast<double>(options.workers) / (shares.compute_ms + shares.partner_ms);
  const double by_cores = 1e3 * static_cast<double>(cores) / shares.compute_ms;
  double least = std::min(by_workers, by_cores);
  if (!fixes.group_commit) least = std::min(least, 1e3 / shares.commit_ms);  // one disk
  if (fixes.limiter) least = std::min(least, options.limiter.orders_per_second);
  return least;
}

double predicted_growth(const Shares& shares, const BatchOptions& options, std::uint64_t orders) {
  const Fixes fixes = with_what_goes_along(options.fixes);
  const double all = shares.bytes * static_cast<double>(orders);
  const double in_flight = !fixes.workers       ? shares.bytes
                           : fixes.backpressure ? std::min(all, static_cast<double>(options.in_flight_bytes))
                                                : all;
  return in_flight * (1 + bytes_beside_an_order / shares.bytes) + store_cache_bytes;
}

}  // namespace plateau::order_batch
