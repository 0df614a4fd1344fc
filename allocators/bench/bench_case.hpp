// How the benchmarks of this folder are named and what they have in common.
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace plateau::bench {

// Each file registers its cases, every one named "<case>/<contestant>".
void register_bump_cases();
void register_block_cases();
void register_thread_cases();

template <class Function>
benchmark::internal::Benchmark* add_case(const std::string& name, const std::string& contestant, Function run) {
  return benchmark::RegisterBenchmark((name + "/" + contestant).c_str(), run);
}

// What every user does with memory: writes to it. The address escapes, so that nothing is optimised away.
inline void use(void* block) {
  *static_cast<volatile std::uint8_t*>(block) = 1;
  benchmark::DoNotOptimize(block);
}

}  // namespace plateau::bench
