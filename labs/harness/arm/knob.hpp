// Knobs of a running service, in the block that it shares with its parent: the parent writes what it wants; the service
// tries it, reads back what is in force, and says so. Fixed size; nothing here allocates or locks.
#pragma once

#include <array>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace plateau::harness {

enum class KnobId : std::size_t {
  load,               // operations a second
  dirty_decay,        // ms; -1: never
  muzzy_decay,        // ms; -1: never
  background_thread,  // 0, 1
  retain_percent,     // of a RetentionPolicy; -1: that is left to the allocator's decay
  soft_limit,         // of a RetentionPolicy, in bytes; 0: none
  profiling,          // of the heap: 0, 1
  purge,              // an action: has no value
  first_fix,          // 0, 1; one knob for each fix of the lab's description, in order
};
inline constexpr std::size_t most_fixes = 16;
inline constexpr std::size_t knob_count = static_cast<std::size_t>(KnobId::first_fix) + most_fixes;

struct SharedKnob {
  static constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

  std::atomic<double> wanted{0};
  std::atomic<std::uint32_t> asked{0};  // raised by the parent, after `wanted`
  std::atomic<double> in_force{unknown};
  std::array<char, 160> why_not{};         // in_force is unknown; written before the service is ready
  std::array<char, 160> reason{};          // why what was asked for was refused; empty when it was done
  std::atomic<std::uint32_t> answered{0};  // what `asked` was; set by the service, after the others
};
static_assert(std::atomic<double>::is_always_lock_free);

}  // namespace plateau::harness
