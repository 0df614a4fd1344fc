#include "profiling/purge_pauses.hpp"

#include <chrono>
#include <cstdint>

#include "allocators/purge_trace.hpp"
#include "profiling/pause_profile.hpp"

namespace plateau {
namespace {

constexpr std::uint64_t stack_period_ns = 1'000'000;

struct OpenBurst {
  std::uint64_t end_ns;    // of its last call
  std::uint64_t stack_ns;  // when the stack was taken
  std::uint32_t stack;
};
// Storage that is there when the thread starts: the general kind is allocated at first use.
[[gnu::tls_model("initial-exec")]] constinit thread_local OpenBurst burst{0, 0, 0};

// Runs inside jemalloc, with locks of an arena held: takes no lock and allocates nothing. The unwinder does not either.
void record_purge(const PurgeEvent& event) noexcept {
  if (event.background) return;
  PauseProfile& pauses = PauseProfile::process();
  const bool goes_on = event.start_ns < burst.end_ns + static_cast<std::uint64_t>(PurgeBursts::gap.count());
  if (!goes_on || event.start_ns >= burst.stack_ns + stack_period_ns) {
    burst.stack = pauses.find_stack(__builtin_return_address(0));
    burst.stack_ns = event.start_ns;
  }
  burst.end_ns = event.end_ns();
  pauses.add(burst.stack, PauseCause::purge, goes_on ? 0 : 1, std::chrono::nanoseconds(event.wall_ns), event.bytes);
}

}  // namespace

HeapReply record_purge_pauses() {
  PauseProfile::process().find_stack(__builtin_return_address(0));  // what is done at the first call is done here
  PurgeTrace::set_observer(record_purge);
  return PurgeTrace::start();
}

}  // namespace plateau
