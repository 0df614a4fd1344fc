// What an arm tells its parent while it runs: one block of memory shared between the two processes, of fixed size,
// filled without allocating. It outlives the arm, so that a killed arm still has a result.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "allocators/heap_fields.hpp"
#include "labs/harness/arm/knob.hpp"
#include "labs/harness/measure/latency_histogram.hpp"
#include "labs/harness/measure/latency_windows.hpp"
#include "labs/harness/measure/stall.hpp"

namespace plateau::harness {

// An arm that is ready waits for the parent, which takes the first sample and lets it run: what is measured begins
// before the first operation, however late the parent looks. A service does not wait.
enum class Phase : std::uint32_t { starting, ready, running, finished, allocation_failed, failed };

// A number that may be unknown, readable from another process.
class SharedNumber {
 public:
  void set(std::optional<std::uint64_t> value) { value_.store(value.value_or(unknown), std::memory_order_relaxed); }
  std::optional<std::uint64_t> get() const {
    const std::uint64_t value = value_.load(std::memory_order_relaxed);
    return value == unknown ? std::nullopt : std::optional(value);
  }

 private:
  static constexpr std::uint64_t unknown = UINT64_MAX;
  std::atomic<std::uint64_t> value_{unknown};
};

// The heap's figures, readable from another process; each by itself is whole.
class SharedHeap {
 public:
  void set(const HeapStatistics& heap) {
    for (std::size_t i = 0; i < numbers_.size(); ++i) numbers_[i].set(heap.*heap_fields[i].value);
  }
  HeapStatistics get() const {
    HeapStatistics heap;
    for (std::size_t i = 0; i < numbers_.size(); ++i) heap.*heap_fields[i].value = numbers_[i].get();
    return heap;
  }

 private:
  std::array<SharedNumber, heap_fields.size()> numbers_;
};

// Digests of the output, one for each batch of operations, in order: equal prefixes mean equal output.
struct DigestSeries {
  static constexpr std::size_t capacity = 16384;
  std::atomic<std::uint32_t> count{0};
  std::array<std::uint64_t, capacity> digest{};

  void append(std::uint64_t value) {
    const auto at = count.load(std::memory_order_relaxed);
    if (at >= capacity) return;
    digest[at] = value;
    count.store(at + 1, std::memory_order_release);
  }
};

struct ArmBlock {
  static constexpr std::size_t max_lanes = 4;
  static constexpr std::size_t max_workers = 16;
  static constexpr std::size_t max_gauges = 24;

  std::atomic<Phase> phase{Phase::starting};
  std::array<char, 512> message{};        // why it failed
  std::array<char, 64> allocator_name{};  // what the arm really runs on
  std::array<char, 128> allocator_version{};
  std::array<char, 512> allocator_configuration{};
  std::array<char, 256> allocator_library{};

  alignas(64) std::array<std::atomic<std::uint64_t>, max_lanes> operations{};  // completed in each lane
  alignas(64) std::array<std::atomic<std::int64_t>, max_lanes> slack_bytes{};  // held in own arenas and pools, not used

  std::atomic<std::uint64_t> allocation_calls{0};  // of the general heap since start
  std::atomic<std::uint64_t> allocation_bytes{0};
  std::atomic<std::uint64_t> start_cpu_us{0};  // CPU time spent before the arm was ready
  std::atomic<std::uint64_t> start_minor_faults{0};
  std::atomic<std::int64_t> ready_ns{0};  // CLOCK_MONOTONIC
  // Since the process started, as of the last look of its sampler, which was at this CLOCK_MONOTONIC.
  std::atomic<std::int64_t> sampled_ns{0};
  std::atomic<std::uint64_t> cpu_us{0};
  std::atomic<std::uint64_t> minor_faults{0};
  std::atomic<std::uint64_t> sampler_cpu_ns{0};     // of the thread that fills this block in
  SharedNumber purge_calls, purge_bytes, purge_ns;  // timed, where PurgeTrace runs
  SharedHeap heap;
  std::array<std::atomic<double>, max_gauges> gauges{};  // the lab's own figures, named by its description
  std::array<DigestSeries, max_lanes> digests;
  std::array<LatencyHistogram, max_workers> latency;
  std::array<StallSeries, max_lanes> stalls;              // of labs that measure pauses, and of every service
  std::array<LatencyWindows, max_lanes> latency_windows;  // of labs that measure pauses

  // Of a service.
  std::array<SharedKnob, knob_count> knobs;
  // On 127.0.0.1; 0: none.
  std::atomic<std::uint32_t> debug_port{0};
  std::atomic<std::uint32_t> api_port{0};  // for operations from outside

  std::uint64_t total_operations() const {
    std::uint64_t sum = 0;
    for (const auto& lane : operations) sum += lane.load(std::memory_order_relaxed);
    return sum;
  }
};

// Copies a text into a fixed field, cut to fit and terminated.
template <std::size_t Size>
void store_text(std::array<char, Size>& field, std::string_view text) {
  const std::size_t length = std::min(text.size(), Size - 1);
  std::memcpy(field.data(), text.data(), length);
  field[length] = '\0';
}

template <std::size_t Size>
std::string load_text(const std::array<char, Size>& field) {
  return {field.data(), strnlen(field.data(), Size)};
}

}  // namespace plateau::harness
