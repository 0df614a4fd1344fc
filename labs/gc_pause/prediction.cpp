#include "labs/gc_pause/prediction.hpp"

#include <array>
#include <latch>
#include <memory_resource>
#include <thread>
#include <vector>

#include "allocators/purge_trace.hpp"
#include "allocators/system/cpu_clock.hpp"
#include "labs/gc_pause/fixes/generations.hpp"
#include "labs/gc_pause/lane.hpp"

namespace plateau::gc_pause {
namespace {

constexpr std::uint64_t sample_share = 2;  // of a generation of a lane: large enough to be cold in the caches

// CPU time of a thread, in milliseconds: what it takes on a machine of its own.
struct Expiry {
  double teardown_ms = 0;
  double purge_ms = 0;
};

Expiry measure_expiry(const RequestStream& stream, std::latch& filled) {
  std::pmr::memory_resource* const heap = std::pmr::new_delete_resource();
  GenerationSlot slot;
  const std::uint64_t requests = stream.requests_per_generation() / lanes / sample_share;
  begin_generation_before(slot, heap, requests);
  fill_generation(*slot.generation, stream, requests);
  PurgeTrace::cover_new_arenas();  // in a forked child nobody else does
  filled.arrive_and_wait();
  const auto begin = thread_cpu_time();
  const auto purges_before = PurgeTrace::totals_of_this_thread();
  expire_before(slot, heap);
  const auto purges = PurgeTrace::totals_of_this_thread();
  const double all_ms = in_seconds(thread_cpu_time() - begin) * 1e3;
  const double purge_ms = static_cast<double>(purges.cpu_ns - purges_before.cpu_ns) / 1e6;
  return {all_ms - purge_ms, purge_ms};
}

}  // namespace

// In all lanes at once, as generations expire in the service: they share the kernel's locks.
ExpiryForecast forecast_expiry(const RequestStream& stream) {
  std::array<Expiry, lanes> expiries;
  for (int round = 0; round < 2; ++round) {  // the first pages of a process cost more
    std::latch filled(lanes);
    std::vector<std::thread> threads;
    for (Expiry& expiry : expiries) threads.emplace_back([&] { expiry = measure_expiry(stream, filled); });
    for (std::thread& thread : threads) thread.join();
  }
  ExpiryForecast forecast;
  for (const Expiry& one : expiries) {
    forecast.teardown_ms += one.teardown_ms * static_cast<double>(sample_share) / lanes;
    forecast.purge_ms += one.purge_ms * static_cast<double>(sample_share) / lanes;
  }
  return forecast;
}

}  // namespace plateau::gc_pause
