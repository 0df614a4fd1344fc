#include "labs/gc_pause/housekeeper.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

#include "allocators/heap.hpp"
#include "allocators/purge_bursts.hpp"
#include "allocators/purge_trace.hpp"
#include "labs/gc_pause/gauges.hpp"

namespace plateau::gc_pause {
namespace {

constexpr std::chrono::milliseconds period{100};

// Purges since the heap was filled, kept as gauges.
class PurgeFigures {
 public:
  explicit PurgeFigures(harness::ArmContext& context) : context_(context), start_(PurgeTrace::totals()) {}

  // One thread at a time.
  void publish() {
    const PurgeTraceTotals now = PurgeTrace::totals();
    const auto set = [this](GaugeIndex index, std::uint64_t value, std::uint64_t before, double unit) {
      context_.set_gauge(index, static_cast<double>(value - before) / unit);
    };
    set(gauge_purge_calls, now.request_threads.calls, start_.request_threads.calls, 1);
    set(gauge_purge_ms, now.request_threads.wall_ns, start_.request_threads.wall_ns, 1e6);
    set(gauge_purge_cpu_ms, now.request_threads.cpu_ns, start_.request_threads.cpu_ns, 1e6);
    set(gauge_background_calls, now.background.calls, start_.background.calls, 1);
    set(gauge_background_cpu_ms, now.background.cpu_ns, start_.background.cpu_ns, 1e6);
  }

 private:
  harness::ArmContext& context_;
  const PurgeTraceTotals start_;
};

// Counts bursts of purges on threads that serve requests, from outside of them.
class BurstCounter {
 public:
  void poll(std::uint64_t now_ns) {
    reader_.read([this](const PurgeEvent& event) { count(bursts_.add(event)); });
    while (const auto burst = bursts_.take_ended(now_ns)) count(burst);
  }
  std::uint64_t of_request_threads() const { return of_request_threads_; }

 private:
  void count(const std::optional<PurgeBurst>& burst) {
    if (burst && !burst->background) ++of_request_threads_;
  }

  PurgeTrace::Reader reader_;
  PurgeBursts bursts_;
  std::uint64_t of_request_threads_ = 0;
};

}  // namespace

Housekeeper::Housekeeper(harness::ArmContext& context, bool trims)
    : thread_([this, &context, trims] { run(context, trims); }) {}

Housekeeper::~Housekeeper() {
  ended_.store(true, std::memory_order_relaxed);
  thread_.join();
}

void Housekeeper::run(harness::ArmContext& context, bool trims) {
  PurgeTrace::this_thread_is_background();
  PurgeFigures figures(context);
  BurstCounter bursts;
  while (!ended_.load(std::memory_order_relaxed)) {
    std::this_thread::sleep_for(period);
    if (trims) Heap::process().purge();
    if (!PurgeTrace::running()) continue;  // and then they are unknown
    figures.publish();
    bursts.poll(static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()));
    context.set_gauge(gauge_purge_bursts, static_cast<double>(bursts.of_request_threads()));
  }
}

}  // namespace plateau::gc_pause
