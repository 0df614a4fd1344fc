#include "labs/order_service/prediction.hpp"

#include <bit>
#include <cmath>
#include <map>

#include "allocators/heap.hpp"
#include "labs/order_service/calibration.hpp"
#include "labs/order_service/downstream.hpp"
#include "labs/order_service/fixes/buffers.hpp"
#include "labs/order_service/fixes/items.hpp"
#include "labs/order_service/fixes/query.hpp"
#include "labs/order_service/generated_orders.hpp"

namespace plateau::order_service {
namespace {

constexpr double page = 4096;

// What a block takes of jemalloc's pages: small ones their size class; large ones, whose classes are four to each
// doubling, a page more, by which their addresses are staggered (jemalloc(3): "IMPLEMENTATION NOTES", and
// "opt.cache_oblivious").
double pages_of_block(double bytes) {
  const auto whole = static_cast<std::uint64_t>(bytes);
  if (const auto small = Heap::process().size_class(whole)) return static_cast<double>(small->region_bytes);
  const double step = static_cast<double>(std::bit_floor(whole - 1)) / 4;
  return std::ceil(bytes / std::max(step, page)) * std::max(step, page) + page;
}

// Mean bytes that an order leaves behind in the outbox for ever: seen on a few orders of the moment.
double outbox_bytes_an_order(const Store& store, const OrderSource& source, double simulated_s) {
  constexpr std::uint64_t looked_at = 24;
  BufferRecycler none({.max_idle = 0});
  Encoder encoder(none);
  Order order;
  std::vector<const PastOrder*> related;
  std::string query;
  double bytes = 0;
  const auto first = static_cast<std::uint64_t>(simulated_s * orders_per_second);
  for (std::uint64_t i = first; i < first + looked_at; ++i) {
    source.read(i, order);
    const Items items = build_order_items_after(order, store, std::pmr::new_delete_resource());
    store.select_orders(build_query_after(store.related(order.customer), query), related);
    const Confirmation confirmation{
        order, *store.find_customer(order.customer), items, related, store.terms(order.customer), 0, 0};
    bytes += pages_of_block(static_cast<double>(encoder.encode_before(confirmation)->size() + 1));
  }
  constexpr double node_bytes = 32 + 32;  // the hash node and the string's own record
  return never_acknowledged_per_mille / 1000.0 * (bytes / looked_at + node_bytes);
}

// Share of slabs that stay when a fraction `survivors` of their regions lives on, scattered at random.
double pinned_share(double survivors, double regions) {
  return 1 - std::pow(1 - survivors, regions);
}

// Slabs of one worker's arena and one size class.
struct Visits {
  double slabs = 0;      // at the fullest moment
  double survivors = 0;  // regions that live on
};

}  // namespace

std::optional<Forecast> forecast(const Store& store, const OrderSource& source, const ForecastInput& input) {
  const Fixes& fixes = input.fixes;
  if (fixes.outbox && fixes.lifetimes) return std::nullopt;
  if (!Heap::process().size_class(static_cast<std::uint64_t>(shortest_note))) return std::nullopt;

  const double batch_s = input.settlement_orders * static_cast<double>(lanes) / orders_per_second;
  std::map<std::pair<std::uint64_t, std::uint64_t>, Visits> slabs;  // by worker of a lane, and size class
  double outbox = 0;
  double history = 0;
  double batch_live = 0;
  double outbox_rate = 0;
  for (std::uint64_t batch = 0; batch_s * static_cast<double>(batch) < input.hours * 3600; ++batch) {
    const double t = batch_s * static_cast<double>(batch);
    const double orders = batch_s * orders_per_second;  // of all lanes
    const double note = note_length_at(t + batch_s / 2);
    const double lines =
        median_lines_at(t + batch_s / 2) * std::exp(line_count_sigma * line_count_sigma / 2);  // mean of a log-normal
    if (batch % 16 == 0 && !fixes.outbox) outbox_rate = outbox_bytes_an_order(store, source, t);
    outbox += outbox_rate * orders;

    const double audited = 1.0 / static_cast<double>(audited_one_in);
    const auto size_class = Heap::process().size_class(static_cast<std::uint64_t>(note) + 1);
    if (size_class && !fixes.lifetimes) {
      const double regions = size_class->regions_per_slab;
      Visits& v = slabs[{batch % workers_per_lane, size_class->region_bytes}];
      const double blocks = orders * (lines + audited);
      v.slabs = std::max(v.slabs, blocks / regions);
      v.survivors += orders * audited;
      history += orders * (56 + audited * static_cast<double>(size_class->region_bytes));
    }
    batch_live = orders * lines * (note + sizeof(Item)) / 2;  // lanes are half full on average

    double pinned = 0;
    for (const auto& [key, v] : slabs) {
      const auto c = Heap::process().size_class(key.second);
      const double share =
          pinned_share(std::min(1.0, v.survivors / (v.slabs * c->regions_per_slab)), c->regions_per_slab);
      pinned += std::max(0.0, v.slabs * share * static_cast<double>(c->slab_bytes) -
                                  v.survivors * static_cast<double>(c->region_bytes));
    }
    if (input.start_rss_bytes + outbox + history + batch_live + pinned >= input.limit_bytes)
      return Forecast{(t + batch_s) / 3600, pinned};
  }
  return std::nullopt;
}

}  // namespace plateau::order_service
