#include "labs/gc_pause/prediction.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <latch>
#include <memory_resource>
#include <thread>
#include <vector>

#include "allocators/counting_resource.hpp"
#include "allocators/heap.hpp"
#include "labs/gc_pause/generation.hpp"
#include "labs/gc_pause/service.hpp"

namespace plateau::gc_pause {
namespace {

constexpr std::uint64_t sample_share = 4;  // of a generation of a lane: large enough to be cold in the caches

struct Expiry {
  double ms = 0;
  double blocks = 0;
};

Expiry measure_expiry(const RequestStream& stream, std::latch& filled) {
  CountingResource memory(std::pmr::new_delete_resource());
  GenerationSlot slot;
  const std::uint64_t requests = stream.requests_per_generation() / lanes / sample_share;
  begin_generation_before(slot, &memory, requests);
  fill_generation(*slot.generation, stream, requests);
  Expiry expiry;
  expiry.blocks = static_cast<double>(memory.statistics().live_blocks);
  filled.arrive_and_wait();
  const auto begin = std::chrono::steady_clock::now();
  expire_before(slot, &memory);
  expiry.ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  return expiry;
}

// In all lanes at once, as generations expire in the service: they share the kernel's locks.
Expiry measure_expiries(const RequestStream& stream) {
  std::array<Expiry, lanes> expiries;
  std::latch filled(lanes);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < lanes; ++i) {
    threads.emplace_back([&, i] { expiries[i] = measure_expiry(stream, filled); });
  }
  for (std::thread& thread : threads) thread.join();
  Expiry mean;
  for (const Expiry& one : expiries) {
    mean.ms += one.ms / lanes;
    mean.blocks += one.blocks / lanes;
  }
  return mean;
}

}  // namespace

ExpiryForecast forecast_expiry(const RequestStream& stream) {
  const Expiry with_purges = measure_expiries(stream);
  Heap::process().set_dirty_decay(std::chrono::milliseconds(-1));
  Heap::process().set_background_thread(false);
  const Expiry without = measure_expiries(stream);
  const double blocks = with_purges.blocks * static_cast<double>(sample_share);
  return {.teardown_ms = without.ms / without.blocks * blocks,
          .purge_ms = std::max(0.0, with_purges.ms - without.ms) * static_cast<double>(sample_share)};
}

}  // namespace plateau::gc_pause
