// A stall: an operation that kept its thread much longer than its work takes, and what the thread waited for meanwhile.
// Filled in memory shared with the parent, of fixed size: recording one allocates nothing, and a killed arm keeps them.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace plateau::harness {

enum class StallCause : std::size_t {
  purge,        // this thread gave pages back to the kernel
  purge_wait,   // it waited while another thread did
  teardown,     // it took a large object graph apart; purges within apart
  collector,    // a garbage collector had stopped it
  fault,        // minor faults, at their cost as measured at the start
  machine,      // ready to run, and did not: other processes, the hypervisor
  unexplained,  // the rest: its own work, cache misses, what nobody measured
};
inline constexpr std::array<std::string_view, 7> stall_causes{"purge", "purge_wait", "teardown",   "collector",
                                                              "fault", "machine",    "unexplained"};

struct Stall {
  double t_s = 0;       // its start, in seconds since the arm was ready
  double total_us = 0;  // the sum of the parts
  int cpu = 0;          // on which it ended
  std::array<double, stall_causes.size()> us{};

  double& operator[](StallCause cause) { return us[static_cast<std::size_t>(cause)]; }
  double operator[](StallCause cause) const { return us[static_cast<std::size_t>(cause)]; }
  // What would have been there on a machine of its own.
  double of_the_program_us() const { return total_us - (*this)[StallCause::machine]; }
  StallCause largest() const { return static_cast<StallCause>(std::max_element(us.begin(), us.end()) - us.begin()); }
};

// Shorter operations are not kept as stalls.
inline constexpr double stall_threshold_us = 250;

// The last `capacity` stalls. One writer; a reader in another process must not be behind by as many.
struct StallSeries {
  static constexpr std::size_t capacity = 8192;
  std::atomic<std::uint64_t> count{0};      // that there were
  std::atomic<double> longest_short_us{0};  // of the operations that were no stalls
  std::array<Stall, capacity> stalls{};

  void append(const Stall& stall) {
    const auto at = count.load(std::memory_order_relaxed);
    stalls[at % capacity] = stall;
    count.store(at + 1, std::memory_order_release);
  }

  // Those from number `first` on that are kept. Gives the number of the next one.
  template <class Visit>
  std::uint64_t read_from(std::uint64_t first, Visit visit) const {
    const auto end = count.load(std::memory_order_acquire);
    for (auto at = std::max(first, end > capacity ? end - capacity : 0); at < end; ++at) visit(stalls[at % capacity]);
    return end;
  }
};

}  // namespace plateau::harness
