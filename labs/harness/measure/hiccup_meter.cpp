#include "labs/harness/measure/hiccup_meter.hpp"

#include <pthread.h>
#include <sched.h>

#include <chrono>
#include <utility>

namespace plateau::harness {

HiccupMeter::HiccupMeter() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  ::sched_getaffinity(0, sizeof allowed, &allowed);
  for (int number = 0; number < CPU_SETSIZE; ++number) {
    if (!CPU_ISSET(number, &allowed)) continue;
    Cpu& cpu = *cpus_.emplace_back(std::make_unique<Cpu>());
    cpu.number = number;
    cpu.thread = std::thread([this, &cpu] { run(cpu); });
  }
}

void HiccupMeter::stop() {
  stopping_.store(true, std::memory_order_relaxed);
  for (const auto& cpu : cpus_) {
    if (cpu->thread.joinable()) cpu->thread.join();
  }
}

LatencyHistogram HiccupMeter::lateness() const {
  LatencyHistogram all;
  for (const auto& cpu : cpus_) all.merge(cpu->lateness);
  return all;
}

std::vector<Hiccup> HiccupMeter::hiccups() const {
  std::vector<Hiccup> all;
  for (const auto& cpu : cpus_) all.insert(all.end(), cpu->hiccups.begin(), cpu->hiccups.end());
  return all;
}

void HiccupMeter::run(Cpu& cpu) {
  using Clock = std::chrono::steady_clock;
  cpu_set_t own;
  CPU_ZERO(&own);
  CPU_SET(cpu.number, &own);
  ::pthread_setaffinity_np(::pthread_self(), sizeof own, &own);
  sched_param priority{};
  priority.sched_priority = ::sched_get_priority_min(SCHED_FIFO);
  ::pthread_setschedparam(::pthread_self(), SCHED_FIFO, &priority);  // refused to most users: then it is as it was
  // Open loop, as the requests are: a thread that was held up is late for every time that has passed meanwhile.
  Clock::time_point last_ran = Clock::now();
  for (auto due = Clock::now() + period; !stopping_.load(std::memory_order_relaxed); due += period) {
    std::this_thread::sleep_until(due);
    const auto woken = Clock::now();
    const auto ran_before = std::exchange(last_ran, woken);
    const double us = std::chrono::duration<double, std::micro>(woken - due).count();
    cpu.lateness.record(us);
    const auto ns = [](Clock::time_point t) { return std::chrono::nanoseconds(t.time_since_epoch()).count(); };
    if (us >= kept_us && ran_before < due) cpu.hiccups.push_back({cpu.number, ns(ran_before), ns(woken)});
  }
}

}  // namespace plateau::harness
