// Before/after pairs as benchmarks, with heap calls and bytes per operation. `make bench` prints them side by side.
// What the pair `workers` buys is waiting that overlaps, which the lab itself measures; here is what its queue costs.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "labs/harness/measure/bench_pairs.hpp"
#include "labs/order_batch/fixes/backpressure.hpp"
#include "labs/order_batch/fixes/group_commit.hpp"
#include "labs/order_batch/fixes/limiter.hpp"
#include "labs/order_batch/fixes/ownership.hpp"
#include "labs/order_batch/fixes/workers.hpp"
#include "labs/order_batch/order_source.hpp"
#include "labs/order_batch/processing.hpp"

namespace plateau::order_batch {
namespace {

constexpr std::uint64_t plenty = std::uint64_t{1} << 40;  // orders

void fill(Job& job, OrderSource& source) {
  source.read(job.order);
  job.message.reserve(most_encoded_bytes(job.order));
}

template <class Make, class End>
void order_from_start_to_end(benchmark::State& state, Make make, End end) {
  TravellingArenas arenas;
  const auto source = generated_orders(1, plenty);
  const harness::HeapCallsPerOperation calls(state);
  for (auto _ : state) {
    Job* const job = make(arenas);
    fill(*job, *source);
    encode(job->order, price(job->order), job->message);
    benchmark::DoNotOptimize(job->message.data());
    end(arenas, job);
  }
}

void ownership_before(benchmark::State& state) {
  order_from_start_to_end(state, make_job_before, end_job_before);
}

void ownership_after(benchmark::State& state) {
  order_from_start_to_end(state, make_job_after, end_job_after);
}

// A real commit, in the folder for temporary files: 64 orders are one operation.
void commit_64_orders(benchmark::State& state, bool in_one) {
  std::string folder = std::filesystem::temp_directory_path() / "plateau-order-batch-bench-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) return state.SkipWithError("no folder for a store");
  {
    Store store(folder + "/store");
    std::string problem;
    Recorder recorder(store, [&](Job* /*job*/, const std::string& error) {
      if (!error.empty()) problem = error;
    });
    const auto source = generated_orders(1, plenty);
    std::vector<std::unique_ptr<Job>> jobs;
    for (int i = 0; i < 64; ++i) {
      jobs.push_back(std::make_unique<Job>(std::pmr::new_delete_resource()));
      fill(*jobs.back(), *source);
      encode(jobs.back()->order, 1, jobs.back()->message);
    }
    OrderNumber next = 0;
    std::vector<Job*> group;
    for (auto _ : state) {
      group.clear();
      for (const auto& job : jobs) {
        job->record.number = next++;
        if (in_one) {
          group.push_back(job.get());
        } else {
          record_before(recorder, nullptr, job.get());
        }
      }
      if (in_one) recorder.record(group);
    }
    if (!problem.empty()) state.SkipWithError(problem.c_str());
  }
  std::filesystem::remove_all(folder);
}

void group_commit_before(benchmark::State& state) {
  commit_64_orders(state, false);
}

void group_commit_after(benchmark::State& state) {
  commit_64_orders(state, true);
}

void limiter_before(benchmark::State& state) {
  Limiter limiter(1e9, 1'000'000);
  for (auto _ : state) await_turn_before(limiter);
}

void limiter_after(benchmark::State& state) {
  Limiter limiter(1e9, 1'000'000);
  for (auto _ : state) await_turn_after(limiter);
}

void backpressure_before(benchmark::State& state) {
  BytesInFlight in_flight(1'000'000);
  for (auto _ : state) {
    admit_before(in_flight, 1000);
    in_flight.give_back(1000);
  }
}

void backpressure_after(benchmark::State& state) {
  BytesInFlight in_flight(1'000'000);
  for (auto _ : state) {
    admit_after(in_flight, 1000);
    in_flight.give_back(1000);
  }
}

void workers_before(benchmark::State& state) {
  const harness::HeapCallsPerOperation calls(state);
  for (auto _ : state)
    submit_before(
        nullptr, [] {}, nullptr)
        .get();
}

void workers_after(benchmark::State& state) {
  WorkerPool pool(2, no_end_of_the_queue);
  const harness::HeapCallsPerOperation calls(state);
  for (auto _ : state)
    submit_after(
        &pool, [] {}, std::pmr::new_delete_resource())
        .get();
}

BENCHMARK(workers_before)->Name("workers/before");
BENCHMARK(workers_after)->Name("workers/after")->UseRealTime();
BENCHMARK(group_commit_before)->Name("group_commit/before")->Iterations(20)->UseRealTime();
BENCHMARK(group_commit_after)->Name("group_commit/after")->Iterations(20)->UseRealTime();
BENCHMARK(limiter_before)->Name("limiter/before");
BENCHMARK(limiter_after)->Name("limiter/after");
BENCHMARK(backpressure_before)->Name("backpressure/before");
BENCHMARK(backpressure_after)->Name("backpressure/after");
BENCHMARK(ownership_before)->Name("ownership/before");
BENCHMARK(ownership_after)->Name("ownership/after");

}  // namespace
}  // namespace plateau::order_batch

int main(int argc, char** argv) {
  return plateau::harness::run_bench_pairs(argc, argv);
}
