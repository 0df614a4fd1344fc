#include "labs/gc_pause/prediction.hpp"

#include <time.h>

#include <array>
#include <latch>
#include <memory_resource>
#include <thread>
#include <vector>

#include "allocators/purge_trace.hpp"
#include "labs/gc_pause/generation.hpp"
#include "labs/gc_pause/service.hpp"

namespace plateau::gc_pause {
namespace {

constexpr std::uint64_t sample_share = 2;  // of a generation of a lane: large enough to be cold in the caches

// CPU time of a thread, in milliseconds: what it takes on a machine of its own.
struct Expiry {
  double teardown_ms = 0;
  double purge_ms = 0;
};

double thread_cpu_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

Expiry measure_expiry(const RequestStream& stream, std::latch& filled) {
  std::pmr::memory_resource* const heap = std::pmr::new_delete_resource();
  GenerationSlot slot;
  const std::uint64_t requests = stream.requests_per_generation() / lanes / sample_share;
  begin_generation_before(slot, heap, requests);
  fill_generation(*slot.generation, stream, requests);
  PurgeTrace::cover_new_arenas();  // in a forked child nobody else does
  filled.arrive_and_wait();
  const double begin = thread_cpu_ms();
  const auto purges_before = PurgeTrace::totals_of_this_thread();
  expire_before(slot, heap);
  const auto purges = PurgeTrace::totals_of_this_thread();
  const double all_ms = thread_cpu_ms() - begin;
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
