// Purge events, and the bursts that they come in.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace plateau {

enum class PurgeKind : std::uint8_t {
  lazy,      // MADV_FREE: the kernel takes the pages when it needs some
  forced,    // MADV_DONTNEED
  decommit,  // the pages became inaccessible (vm.overcommit_memory=2)
  unmap,     // the address space went as well (retain:false)
};

// One call by which jemalloc gave pages back to the kernel.
struct PurgeEvent {
  std::uint64_t start_ns = 0;  // CLOCK_MONOTONIC
  std::uint64_t wall_ns = 0;
  std::uint64_t cpu_ns = 0;  // of the thread
  std::uint64_t bytes = 0;
  std::uint32_t thread = 0;  // as the kernel numbers them
  std::uint16_t arena = 0;
  PurgeKind kind = PurgeKind::forced;
  bool background = false;  // on one of jemalloc's background threads, or a thread that declared itself one

  std::uint64_t end_ns() const { return start_ns + wall_ns; }
};

// Calls of one thread that follow each other closely: what a request waits for when it frees much.
struct PurgeBurst {
  std::uint64_t start_ns = 0;  // of the first call
  std::uint64_t end_ns = 0;    // of the last call
  std::uint64_t wall_ns = 0;   // within the calls; the rest, up to the end, is what the thread did between them
  std::uint64_t cpu_ns = 0;    // within the calls
  std::uint64_t bytes = 0;
  std::uint64_t calls = 0;
  std::uint32_t thread = 0;
  std::uint16_t arena = 0;  // of the last call
  bool background = false;
};

// Puts events together into bursts. A pure state machine: no clock, no lock, no allocation. Events of one thread must
// come in order. Not thread-safe.
class PurgeBursts {
 public:
  // From the end of one call to the start of the next; a thread that does other things for so long was not kept waiting
  // by the purge.
  static constexpr std::chrono::nanoseconds gap = std::chrono::milliseconds(1);
  // A burst that goes on is cut after so long, so that a thread which never stops purging is heard of.
  static constexpr std::chrono::nanoseconds longest = std::chrono::seconds(1);
  static constexpr std::size_t most_open = 64;  // threads; of more, the burst that has been quiet longest is ended

  // The burst that the event ended, if it ended one.
  std::optional<PurgeBurst> add(const PurgeEvent& event);
  // One that no event can join any more, or nothing: call it until then. With `now_ns` at its maximum, all.
  std::optional<PurgeBurst> take_ended(std::uint64_t now_ns);

 private:
  std::array<PurgeBurst, most_open> open_{};  // the first `count_`
  std::size_t count_ = 0;
};

}  // namespace plateau
