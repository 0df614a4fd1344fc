// Knobs of a running arm, in memory shared with its parent: the parent writes what it wants, the arm tries it, reads
// back what is in force, and says so. Fixed size; nothing here allocates or locks.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace plateau::harness {

enum class KnobId : std::size_t {
  load_percent,  // of the rate that the arm was started with
  dirty_decay_ms,
  muzzy_decay_ms,
  background_thread,
  purge,      // an action: any value
  profiling,  // of the heap
  fixes,      // a bit for each fix of the lab's description, in order
};
inline constexpr std::size_t knob_count = 7;

struct Knob {
  static constexpr std::int64_t unknown = INT64_MIN;

  std::atomic<std::int64_t> wanted{0};
  std::atomic<std::uint32_t> asked{0};  // raised by the parent, after `wanted`
  std::atomic<std::int64_t> actual{unknown};
  std::array<char, 160> reason{};          // why it was refused; empty when it took
  std::atomic<std::uint32_t> answered{0};  // what `asked` was; set by the arm, after the others
};

struct ControlBlock {
  static constexpr std::size_t max_lanes = 4;

  std::array<Knob, knob_count> knobs;
  // Of what is decided operation by operation: the fixes that each lane works with.
  std::array<std::atomic<std::int64_t>, max_lanes> fixes_of_lane{};
  std::atomic<std::uint32_t> debug_port{0};  // of the arm's own server

  Knob& operator[](KnobId id) { return knobs[static_cast<std::size_t>(id)]; }
  const Knob& operator[](KnobId id) const { return knobs[static_cast<std::size_t>(id)]; }
};

}  // namespace plateau::harness
