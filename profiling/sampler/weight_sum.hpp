// A sum of weights that threads add to.
#pragma once

#include <atomic>
#include <cstdint>

#include "profiling/sampler/poisson.hpp"

namespace plateau::sampler {

// Thread-safe.
class WeightSum {
 public:
  void add(const Weight& weight) {
    objects_.fetch_add(weight.objects, std::memory_order_release);
    bytes_.fetch_add(weight.bytes, std::memory_order_release);
  }
  Weight read() const { return {objects_.load(std::memory_order_acquire), bytes_.load(std::memory_order_acquire)}; }

 private:
  std::atomic<std::uint64_t> objects_{0};
  std::atomic<std::uint64_t> bytes_{0};
};

}  // namespace plateau::sampler
