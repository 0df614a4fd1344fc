// Stalls of a program as a profile: how often, how long, and how much memory each gave back, by cause and by the code
// that had to wait.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "profiling/profile.hpp"

namespace plateau {

enum class PauseCause : std::size_t {
  purge,      // the allocator gave pages back to the kernel in this thread
  teardown,   // a large object graph was taken apart in this thread
  collector,  // a garbage collector, in this thread, had stopped the others
};
inline constexpr std::array<std::string_view, 3> pause_causes{"purge", "teardown", "collector"};  // by PauseCause

// Sample types pauses/count, pause/nanoseconds, freed_space/bytes; label "cause". All memory is taken by the
// constructor (0.5 MB, of which only what is used becomes resident). Stacks past the 1023rd are counted together as
// "stack not kept".
class PauseProfile {
 public:
  PauseProfile();
  ~PauseProfile();
  PauseProfile(const PauseProfile&) = delete;
  PauseProfile& operator=(const PauseProfile&) = delete;

  // The one that the debug server shows. Never destroyed.
  static PauseProfile& process();

  // Records a pause of the calling thread, with its stack. Thread-safe; takes no lock, allocates nothing and throws
  // nothing, so that an allocator's hooks may call it. About 0.1 us a frame: leave out pauses too short to matter.
  void record(PauseCause cause, std::chrono::nanoseconds length, std::uint64_t freed_bytes = 0) noexcept;

  // The same in two steps, for a pause that comes in many short pieces: the number of the calling thread's stack, from
  // the frame that returns to `caller` outwards, and what is added to it.
  std::uint32_t find_stack(const void* caller) noexcept;
  void add(std::uint32_t stack, PauseCause cause, std::int64_t pauses, std::chrono::nanoseconds length,
           std::uint64_t freed_bytes) noexcept;

  // Everything since the start, while others record. Thread-safe. Throws std::bad_alloc.
  Profile snapshot() const;

 private:
  struct Stacks;
  std::unique_ptr<Stacks> stacks_;
};

// Records its own lifetime as a pause when it was at least as long as `threshold`.
class PauseTimer {
 public:
  explicit PauseTimer(PauseCause cause, std::chrono::nanoseconds threshold = std::chrono::microseconds(100),
                      PauseProfile& profile = PauseProfile::process())
      : profile_(profile), cause_(cause), threshold_(threshold), start_(std::chrono::steady_clock::now()) {}
  ~PauseTimer() {
    const auto length = std::chrono::steady_clock::now() - start_;
    if (length >= threshold_) profile_.record(cause_, length, freed_bytes_);
  }
  PauseTimer(const PauseTimer&) = delete;
  PauseTimer& operator=(const PauseTimer&) = delete;

  void add_freed(std::uint64_t bytes) { freed_bytes_ += bytes; }

 private:
  PauseProfile& profile_;
  const PauseCause cause_;
  const std::chrono::nanoseconds threshold_;
  const std::chrono::steady_clock::time_point start_;
  std::uint64_t freed_bytes_ = 0;
};

}  // namespace plateau
