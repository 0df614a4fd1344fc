// Each before/after pair as a benchmark, with heap calls and bytes per operation. `make bench` prints them side by
// side.
#include <benchmark/benchmark.h>

#include <memory_resource>

#include "labs/gc_pause/fixes/events.hpp"
#include "labs/gc_pause/fixes/generations.hpp"
#include "labs/gc_pause/fixes/values.hpp"
#include "labs/gc_pause/lane.hpp"
#include "labs/gc_pause/request.hpp"
#include "labs/harness/measure/bench_pairs.hpp"

namespace plateau::gc_pause {
namespace {

constexpr std::uint64_t requests = 600;  // of a small generation

const RequestStream& stream() {
  static const RequestStream instance(1, requests * lanes);
  return instance;
}

const Request& example() {
  static const Request instance = [] {
    Request request;
    stream().read(0, request);
    return request;
  }();
  return instance;
}

void values_before(benchmark::State& state) {
  const harness::HeapCallsPerOperation calls(state);
  for (auto _ : state) benchmark::DoNotOptimize(view(*create_user_before(example().user)));
}

void values_after(benchmark::State& state) {
  const harness::HeapCallsPerOperation calls(state);
  for (auto _ : state) benchmark::DoNotOptimize(view(create_user_after(example().user)));
}

void events_before(benchmark::State& state) {
  const User user = create_user_after(example().user);
  const harness::HeapCallsPerOperation calls(state);
  for (auto _ : state) {
    const auto event = make_event_before(example().events.front(), view(user));
    benchmark::DoNotOptimize(event->attributes.size());
  }
}

void events_after(benchmark::State& state) {
  EventRecycler recycler;
  const User user = create_user_after(example().user);
  make_event_after(example().events.front(), view(user), recycler);
  const harness::HeapCallsPerOperation calls(state);
  for (auto _ : state) {
    const auto event = make_event_after(example().events.front(), view(user), recycler);
    benchmark::DoNotOptimize(event->attributes.size());
  }
}

// The expiry alone is timed: what a request has to wait for.
void generations_before(benchmark::State& state) {
  GenerationSlot slot;
  for (auto _ : state) {
    state.PauseTiming();
    begin_generation_before(slot, std::pmr::new_delete_resource(), requests);
    fill_generation(*slot.generation, stream(), requests);
    state.ResumeTiming();
    expire_before(slot, std::pmr::new_delete_resource());
  }
}

void generations_after(benchmark::State& state) {
  GenerationSlot slot;
  for (auto _ : state) {
    state.PauseTiming();
    begin_generation_after(slot, requests);
    fill_generation(*slot.generation, stream(), requests);
    state.ResumeTiming();
    expire_after(slot);
  }
}

BENCHMARK(values_before)->Name("values/before");
BENCHMARK(values_after)->Name("values/after");
BENCHMARK(events_before)->Name("events/before");
BENCHMARK(events_after)->Name("events/after");
BENCHMARK(generations_before)->Name("generations/before")->Iterations(20);
BENCHMARK(generations_after)->Name("generations/after")->Iterations(20);

}  // namespace
}  // namespace plateau::gc_pause

int main(int argc, char** argv) {
  plateau::gc_pause::example();  // before anything is timed
  return plateau::harness::run_bench_pairs(argc, argv);
}
