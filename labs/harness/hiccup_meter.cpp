#include "labs/harness/hiccup_meter.hpp"

#include <chrono>

namespace plateau::harness {

HiccupMeter::HiccupMeter() : thread_([this] { run(); }) {}

const LatencyHistogram& HiccupMeter::stop() {
  stopping_.store(true, std::memory_order_relaxed);
  if (thread_.joinable()) thread_.join();
  return histogram_;
}

void HiccupMeter::run() {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds period{1};
  while (!stopping_.load(std::memory_order_relaxed)) {
    const auto due = Clock::now() + period;
    std::this_thread::sleep_until(due);
    histogram_.record(std::chrono::duration<double, std::micro>(Clock::now() - due).count());
  }
}

}  // namespace plateau::harness
