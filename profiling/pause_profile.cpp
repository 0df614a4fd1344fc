#include "profiling/pause_profile.hpp"

#include <array>
#include <span>
#include <string>

#include "profiling/stacks/stack_capture.hpp"
#include "profiling/stacks/stack_table.hpp"
#include "profiling/symbols/mapping_history.hpp"

namespace plateau {
namespace {

struct CauseTotals {
  std::atomic<std::int64_t> pauses{0};
  std::atomic<std::int64_t> nanoseconds{0};
  std::atomic<std::int64_t> freed_bytes{0};
};

using PauseTotals = std::array<CauseTotals, pause_causes.size()>;  // by PauseCause

}  // namespace

struct PauseProfile::Stacks {
  Stacks() = default;
  ~Stacks() { table.clear(); }
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;

  StackTable<PauseTotals, 1024, 32 * 1024> table;
};

PauseProfile::PauseProfile() : stacks_(std::make_unique<Stacks>()) {}
PauseProfile::~PauseProfile() = default;

PauseProfile& PauseProfile::process() {
  static PauseProfile& profile = *new PauseProfile;  // other threads may record until the very end
  return profile;
}

void PauseProfile::record(PauseCause cause, std::chrono::nanoseconds length, std::uint64_t freed_bytes) noexcept {
  add(find_stack(__builtin_return_address(0)), cause, 1, length, freed_bytes);
}

std::uint32_t PauseProfile::find_stack(const void* caller) noexcept {
  CapturedFrames frames;
  return stacks_->table.find_or_add(capture_stack(frames, caller));
}

void PauseProfile::add(std::uint32_t stack, PauseCause cause, std::int64_t pauses, std::chrono::nanoseconds length,
                       std::uint64_t freed_bytes) noexcept {
  CauseTotals& totals = stacks_->table.totals(stack)[static_cast<std::size_t>(cause)];
  totals.pauses.fetch_add(pauses, std::memory_order_relaxed);
  totals.nanoseconds.fetch_add(length.count(), std::memory_order_relaxed);
  totals.freed_bytes.fetch_add(static_cast<std::int64_t>(freed_bytes), std::memory_order_relaxed);
}

Profile PauseProfile::snapshot() const {
  Profile profile({{"pauses", "count"}, {"pause", "nanoseconds"}, {"freed_space", "bytes"}});
  profile.period_type = "pauses";
  profile.period_unit = "count";
  profile.period = 1;
  profile.default_type = "pause";
  profile.time_nanos =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  set_process_mappings(profile);
  const std::array not_kept{profile.named_frame("stack not kept")};
  stacks_->table.for_each([&](std::span<const std::uintptr_t> stack, const PauseTotals& totals) {
    for (std::size_t cause = 0; cause < totals.size(); ++cause) {
      const std::array values{totals[cause].pauses.load(std::memory_order_relaxed),
                              totals[cause].nanoseconds.load(std::memory_order_relaxed),
                              totals[cause].freed_bytes.load(std::memory_order_relaxed)};
      if (values == std::array<std::int64_t, 3>{}) continue;
      const std::array label{ProfileLabel{"cause", std::string(pause_causes[cause]), 0, {}}};
      profile.add(stack.empty() ? std::span<const std::uint64_t>(not_kept) : stack, values, label);
    }
  });
  return profile;
}

}  // namespace plateau
