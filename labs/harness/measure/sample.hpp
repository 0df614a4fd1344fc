// One moment of an arm: how far it was, and where its memory was.
#pragma once

#include <cstdint>
#include <vector>

#include "allocators/heap.hpp"
#include "profiling/waterfall/waterfall.hpp"

namespace plateau::harness {

// RSS and operations are of the moment; the allocator's figures are the arm's own and up to 50 ms of wall clock older.
struct Sample {
  double t = 0;  // simulated seconds
  std::uint64_t operations = 0;
  std::uint64_t rss = 0;  // bytes, as the following
  std::uint64_t anonymous = 0;
  std::uint64_t file = 0;
  std::uint64_t shared = 0;
  HeapStatistics heap;
  std::uint64_t allocation_calls = 0;  // of the general heap since start
  std::uint64_t allocation_bytes = 0;
};

inline std::vector<MeasuredPart> waterfall_of(const Sample& sample) {
  return measure_waterfall(
      {.heap = sample.heap, .rss_bytes = sample.rss, .file_bytes = sample.file, .shared_bytes = sample.shared});
}

}  // namespace plateau::harness
