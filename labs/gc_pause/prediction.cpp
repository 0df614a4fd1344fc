#include "labs/gc_pause/prediction.hpp"

#include <algorithm>
#include <array>
#include <latch>
#include <memory_resource>
#include <thread>
#include <utility>
#include <vector>

#include "allocators/purge_trace.hpp"
#include "allocators/system/cpu_clock.hpp"
#include "labs/gc_pause/fixes/generations.hpp"
#include "labs/gc_pause/lane.hpp"
#include "labs/harness/measure/statistics.hpp"

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
  constexpr int rounds = 4;
  std::vector<double> teardown_ms;
  std::vector<double> purge_ms;
  for (int round = 0; round < rounds; ++round) {
    std::array<Expiry, lanes> expiries;
    std::latch filled(lanes);
    std::vector<std::thread> threads;
    for (Expiry& expiry : expiries) threads.emplace_back([&] { expiry = measure_expiry(stream, filled); });
    for (std::thread& thread : threads) thread.join();
    if (round == 0) continue;  // the first pages of a process cost more
    for (const Expiry& one : expiries) {
      teardown_ms.push_back(one.teardown_ms * sample_share);
      purge_ms.push_back(one.purge_ms * sample_share);
    }
  }
  return {harness::median(std::move(teardown_ms)).value_or(0), harness::median(std::move(purge_ms)).value_or(0)};
}

double kept_bytes_a_request(std::size_t page_bytes) {
  constexpr std::uint64_t sample = 3000;
  const RequestStream stream(1, sample * lanes, page_bytes);
  GenerationSlot slot;
  begin_generation_after(slot, sample / requests_per_session);
  fill_generation(*slot.generation, stream, sample);
  const ArenaStatistics statistics = slot.arena.statistics();
  return static_cast<double>(statistics.used_bytes + statistics.wasted_bytes) / sample;
}

std::uint64_t requests_per_generation(double heap_bytes, double kept_bytes_a_request) {
  // In an arena, whose last block is half empty on average.
  return static_cast<std::uint64_t>((heap_bytes / generations / lanes - arena_block_bytes / 2) / kept_bytes_a_request) *
         lanes;
}

std::size_t page_for_pause(std::uint64_t seed, double heap_bytes, double pause_ms) {
  struct Point {
    double requests;
    double ms;
  };
  const auto measure = [&](std::size_t page_bytes) {
    const std::uint64_t requests = requests_per_generation(heap_bytes, kept_bytes_a_request(page_bytes));
    const ExpiryForecast forecast = forecast_expiry(RequestStream(seed, requests, page_bytes));
    return Point{static_cast<double>(requests), forecast.teardown_ms + forecast.purge_ms};
  };
  constexpr std::size_t smaller_page_bytes = default_page_bytes / 4;
  const Point few = measure(default_page_bytes);
  const Point many = measure(smaller_page_bytes);
  const double ms_a_request = (many.ms - few.ms) / (many.requests - few.requests);
  if (ms_a_request <= 0) return default_page_bytes;
  const double wanted = std::max(few.requests + (pause_ms - few.ms) / ms_a_request, 1.0);
  // A request takes its share of a page, and beside it always the same.
  const double share = static_cast<double>(default_page_bytes) / requests_per_session;
  const double beside = heap_bytes / generations / few.requests - share;
  const double page_bytes = (heap_bytes / generations / wanted - beside) * requests_per_session;
  constexpr std::size_t step = 4096;
  const double limited =
      std::clamp(page_bytes, static_cast<double>(least_page_bytes), static_cast<double>(most_page_bytes));
  return static_cast<std::size_t>(limited) / step * step;
}

}  // namespace plateau::gc_pause
