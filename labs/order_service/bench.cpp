// Each before/after pair as a benchmark, with heap calls and bytes per operation. `make bench` prints them side by
// side.
#include <benchmark/benchmark.h>

#include <memory>
#include <memory_resource>
#include <string>
#include <string_view>
#include <vector>

#include "allocators/arena.hpp"
#include "allocators/pool.hpp"
#include "labs/harness/measure/bench_pairs.hpp"
#include "labs/order_service/calibration.hpp"
#include "labs/order_service/fixes/buffers.hpp"
#include "labs/order_service/fixes/items.hpp"
#include "labs/order_service/fixes/lifetimes.hpp"
#include "labs/order_service/fixes/outbox.hpp"
#include "labs/order_service/fixes/query.hpp"
#include "labs/order_service/generated_orders.hpp"
#include "labs/order_service/store.hpp"

namespace plateau::order_service {
namespace {

// An order of the middle of a shift, with all that belongs to it: a store of 76 MB, which takes a fifth of a second.
struct Example {
  Store store{1};
  GeneratedOrders orders{store, 1};
  Order order;
  std::vector<const PastOrder*> related;

  Example() {
    orders.read(static_cast<std::uint64_t>(shift_s / 2 * orders_per_second), order);
    std::string query;
    store.select_orders(build_query_after(store.related(order.customer), query), related);
  }
  Confirmation confirmation(const Items& items) const {
    return {order, *store.find_customer(order.customer), items, related, store.terms(order.customer), 1, 1};
  }
};

const Example& example() {
  static const Example instance;
  return instance;
}

using BuildQuery = std::string_view (*)(std::span<const std::uint32_t>, std::string&);

void query(benchmark::State& state, BuildQuery build) {
  const auto numbers = example().store.related(example().order.customer);
  std::string builder;
  build(numbers, builder);
  const harness::HeapCallsPerOperation calls(state);
  for (auto _ : state) benchmark::DoNotOptimize(build(numbers, builder));
}

using BuildItems = Items (*)(const Order&, const Store&, std::pmr::memory_resource*);

void items(benchmark::State& state, BuildItems build) {
  const harness::HeapCallsPerOperation calls(state);
  for (auto _ : state) {
    const Items built = build(example().order, example().store, std::pmr::new_delete_resource());
    benchmark::DoNotOptimize(built.data());
  }
}

using Encode = Payload (Encoder::*)(const Confirmation&);

void buffers(benchmark::State& state, Encode encode) {
  BufferRecycler recycler;
  Encoder encoder(recycler);
  const Items built = build_order_items_after(example().order, example().store, std::pmr::new_delete_resource());
  const Confirmation confirmation = example().confirmation(built);
  (encoder.*encode)(confirmation);
  const harness::HeapCallsPerOperation calls(state);
  for (auto _ : state) {
    const Payload payload = (encoder.*encode)(confirmation);
    benchmark::DoNotOptimize(payload->data());
  }
}

// A third is never acknowledged. Before grows for as long as the benchmark runs; so it does in the service.
template <class Kind, class... Arguments>
void outbox(benchmark::State& state, Arguments... arguments) {
  BufferRecycler recycler({.max_idle = 1024});
  Kind box(arguments...);
  OrderId id = 0;
  const harness::HeapCallsPerOperation calls(state);
  for (auto _ : state) {
    Payload payload = recycler.get();
    payload->assign("confirmation");
    const double now_s = static_cast<double>(id) / orders_per_second;
    box.keep(id, now_s, std::move(payload));
    if (id % 3 != 0) box.acknowledge(id);
    box.expire(now_s);
    ++id;
  }
}

// A record a tenth of a second of simulated time, expired after six hours.
void record_forever(benchmark::State& state, History& history) {
  std::uint64_t index = 0;
  const std::string_view note = example().order.lines.front().note;
  const auto record = [&] {
    const auto now_s = static_cast<std::uint32_t>(static_cast<double>(index) / orders_per_second);
    history.record({index, 1, now_s, 1}, index % audited_one_in == 0 ? note : std::string_view());
    if (index % 32 == 0) history.expire(now_s);
    ++index;
  };
  while (index < static_cast<std::uint64_t>(history_s * orders_per_second) + 20000) record();
  const harness::HeapCallsPerOperation calls(state);
  for (auto _ : state) record();
}

void lifetimes_before(benchmark::State& state) {
  HistoryAmongTemporaries history;
  record_forever(state, history);
}

void lifetimes_after(benchmark::State& state) {
  Pool blocks({.block_bytes = arena_block_bytes});
  HistoryInArenas history(&blocks, arena_block_bytes);
  record_forever(state, history);
}

void outbox_before(benchmark::State& state) {
  outbox<UnboundedOutbox>(state);
}
void outbox_after(benchmark::State& state) {
  outbox<BoundedOutbox>(state, std::size_t{512}, 60.0);
}

BENCHMARK_CAPTURE(query, before, build_query_before);
BENCHMARK_CAPTURE(query, after, build_query_after);
BENCHMARK_CAPTURE(items, before, build_order_items_before);
BENCHMARK_CAPTURE(items, after, build_order_items_after);
BENCHMARK_CAPTURE(buffers, before, &Encoder::encode_before);
BENCHMARK_CAPTURE(buffers, after, &Encoder::encode_after);
BENCHMARK(outbox_before)->Name("outbox/before")->Iterations(200000);
BENCHMARK(outbox_after)->Name("outbox/after")->Iterations(200000);
BENCHMARK(lifetimes_before)->Name("lifetimes/before");
BENCHMARK(lifetimes_after)->Name("lifetimes/after");

}  // namespace
}  // namespace plateau::order_service

int main(int argc, char** argv) {
  // Before anything is timed: else the first case makes it in its timed loop, is taken for a slow one, and runs once a
  // repetition, cold.
  plateau::order_service::example();
  return plateau::harness::run_bench_pairs(argc, argv);
}
