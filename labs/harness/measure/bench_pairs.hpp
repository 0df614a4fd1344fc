// Benchmarks in pairs: each fix's before and after, run interleaved in one process and printed side by side.
#pragma once

#include <benchmark/benchmark.h>

#include "allocators/allocation_counter.hpp"

namespace plateau::harness {

// What the timed loop asks of the general heap, per iteration, as counters of the benchmark. Made after the warm-up,
// just before the loop. Needs the program to be linked with plateau_allocation_counter.
class HeapCallsPerOperation {
 public:
  explicit HeapCallsPerOperation(benchmark::State& state);
  ~HeapCallsPerOperation();
  HeapCallsPerOperation(const HeapCallsPerOperation&) = delete;
  HeapCallsPerOperation& operator=(const HeapCallsPerOperation&) = delete;

 private:
  benchmark::State& state_;
  AllocationCounts start_;
};

// main() of a benchmark whose cases are named "<fix>/before" and "<fix>/after". Adds repetitions and random
// interleaving unless the command line says otherwise; the library's own JSON (--benchmark_out) gets figures from its
// memory manager.
int run_bench_pairs(int argc, char** argv);

}  // namespace plateau::harness
