#include "allocators/jemalloc/purge_hooks.hpp"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <new>
#include <string_view>

#include "allocators/jemalloc/control.hpp"
#include "allocators/system/cpu_clock.hpp"

namespace plateau::purge_hooks {
namespace {

struct AtomicTotals {
  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> wall_ns{0};
  std::atomic<std::uint64_t> cpu_ns{0};

  void add(const PurgeEvent& event) {
    calls.fetch_add(1, std::memory_order_relaxed);
    bytes.fetch_add(event.bytes, std::memory_order_relaxed);
    wall_ns.fetch_add(event.wall_ns, std::memory_order_relaxed);
    cpu_ns.fetch_add(event.cpu_ns, std::memory_order_relaxed);
  }
  PurgeTotals read() const {
    return {calls.load(std::memory_order_relaxed), bytes.load(std::memory_order_relaxed),
            wall_ns.load(std::memory_order_relaxed), cpu_ns.load(std::memory_order_relaxed)};
  }
};

// Constant initialisation and no destructor.
constinit std::array<std::atomic<extent_hooks_t*>, most_arenas> originals{};
constinit std::array<AtomicTotals, 2> totals_of{};  // by PurgeEvent::background
constinit std::atomic<EventRing<PurgeEvent>*> ring{nullptr};
constinit std::atomic<PurgeObserver*> observer{nullptr};

struct Identity {
  std::uint32_t thread;  // 0: not known yet
  bool background;
};
// Storage that is there when the thread starts: the general kind is allocated at first use.
[[gnu::tls_model("initial-exec")]] constinit thread_local Identity identity{0, false};

[[gnu::tls_model("initial-exec")]] constinit thread_local PurgeTotals own_totals{};

void identify() {
  identity.thread = static_cast<std::uint32_t>(::syscall(SYS_gettid));
  std::array<char, 16> name{};
  ::prctl(PR_GET_NAME, name.data());
  if (std::string_view(name.data()) == "jemalloc_bg_thd") identity.background = true;
}

std::uint64_t in_ns(std::chrono::nanoseconds time) {
  return static_cast<std::uint64_t>(time.count());
}

// `call` returns true when nothing was given back.
template <class Call>
bool timed(PurgeKind kind, std::size_t bytes, unsigned arena, Call call) {
  if (identity.thread == 0) identify();
  PurgeEvent event{.bytes = bytes,
                   .thread = identity.thread,
                   .arena = static_cast<std::uint16_t>(arena),
                   .kind = kind,
                   .background = identity.background};
  event.start_ns = in_ns(monotonic_time());
  const std::chrono::nanoseconds cpu_before = thread_cpu_time();
  if (call()) return true;
  event.cpu_ns = in_ns(thread_cpu_time() - cpu_before);
  event.wall_ns = in_ns(monotonic_time()) - event.start_ns;
  totals_of[static_cast<std::size_t>(event.background)].add(event);
  ++own_totals.calls;
  own_totals.bytes += event.bytes;
  own_totals.wall_ns += event.wall_ns;
  own_totals.cpu_ns += event.cpu_ns;
  ring.load(std::memory_order_acquire)->publish(event);
  if (PurgeObserver* const observe = observer.load(std::memory_order_acquire)) observe(event);
  return false;
}

// The hooks, as jemalloc(3) describes them under arena.<i>.extent_hooks: true is failure, and an absent hook is one
// that always fails.
void* alloc(extent_hooks_t* /*own*/, void* address, std::size_t size, std::size_t alignment, bool* zero, bool* commit,
            unsigned arena) {
  extent_hooks_t* const to = original(arena);
  return to->alloc(to, address, size, alignment, zero, commit, arena);
}

bool dalloc(extent_hooks_t* /*own*/, void* address, std::size_t size, bool committed, unsigned arena) {
  extent_hooks_t* const to = original(arena);
  if (to->dalloc == nullptr) return true;
  return timed(PurgeKind::unmap, size, arena, [&] { return to->dalloc(to, address, size, committed, arena); });
}

void destroy(extent_hooks_t* /*own*/, void* address, std::size_t size, bool committed, unsigned arena) {
  extent_hooks_t* const to = original(arena);
  if (to->destroy != nullptr) to->destroy(to, address, size, committed, arena);
}

bool commit(extent_hooks_t* /*own*/, void* address, std::size_t size, std::size_t offset, std::size_t length,
            unsigned arena) {
  extent_hooks_t* const to = original(arena);
  return to->commit == nullptr || to->commit(to, address, size, offset, length, arena);
}

bool decommit(extent_hooks_t* /*own*/, void* address, std::size_t size, std::size_t offset, std::size_t length,
              unsigned arena) {
  extent_hooks_t* const to = original(arena);
  if (to->decommit == nullptr) return true;
  return timed(PurgeKind::decommit, length, arena,
               [&] { return to->decommit(to, address, size, offset, length, arena); });
}

bool purge_lazy(extent_hooks_t* /*own*/, void* address, std::size_t size, std::size_t offset, std::size_t length,
                unsigned arena) {
  extent_hooks_t* const to = original(arena);
  if (to->purge_lazy == nullptr) return true;
  return timed(PurgeKind::lazy, length, arena,
               [&] { return to->purge_lazy(to, address, size, offset, length, arena); });
}

bool purge_forced(extent_hooks_t* /*own*/, void* address, std::size_t size, std::size_t offset, std::size_t length,
                  unsigned arena) {
  extent_hooks_t* const to = original(arena);
  if (to->purge_forced == nullptr) return true;
  return timed(PurgeKind::forced, length, arena,
               [&] { return to->purge_forced(to, address, size, offset, length, arena); });
}

bool split(extent_hooks_t* /*own*/, void* address, std::size_t size, std::size_t size_a, std::size_t size_b,
           bool committed, unsigned arena) {
  extent_hooks_t* const to = original(arena);
  return to->split == nullptr || to->split(to, address, size, size_a, size_b, committed, arena);
}

bool merge(extent_hooks_t* /*own*/, void* address_a, std::size_t size_a, void* address_b, std::size_t size_b,
           bool committed, unsigned arena) {
  extent_hooks_t* const to = original(arena);
  return to->merge == nullptr || to->merge(to, address_a, size_a, address_b, size_b, committed, arena);
}

// Shared by all arenas.
constexpr extent_hooks_t all_hooks{alloc, dalloc, destroy, commit, decommit, purge_lazy, purge_forced, split, merge};
constinit extent_hooks_t hooks = all_hooks;
// In front of jemalloc's own: without those that always fail there, which jemalloc then does not try in vain.
constinit extent_hooks_t hooks_over_default = all_hooks;

}  // namespace

EventRing<PurgeEvent>& events() {
  static auto& made = *new EventRing<PurgeEvent>(PurgeTrace::kept_events);  // hooks may run until the very end
  ring.store(&made, std::memory_order_release);
  return made;
}

extent_hooks_t* before(unsigned arena, extent_hooks_t* found, bool found_default) {
  originals[arena].store(found, std::memory_order_release);  // before a hook can ask for it
  return found_default ? &hooks_over_default : &hooks;
}

bool is_ours(const extent_hooks_t* found) {
  return found == &hooks || found == &hooks_over_default;
}

extent_hooks_t* original(unsigned arena) {
  return originals[arena].load(std::memory_order_acquire);
}

bool is_of_jemalloc(const extent_hooks_t* found) {
  return found != nullptr && jemalloc::provides(reinterpret_cast<const void*>(found->purge_forced));
}

// Asked by doing it to a page of ours. With retain:true address space is never given back; where the kernel overcommits
// memory, pages are never decommitted.
void leave_out_what_fails(extent_hooks_t* from) {
  constexpr std::size_t bytes = 4096;
  const auto fails = [&](auto call) {
    void* const page = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) throw std::bad_alloc();
    const bool failed = call(page);
    ::munmap(page, bytes);
    return failed;
  };
  if (fails([&](void* page) { return from->decommit(from, page, bytes, 0, bytes, 0); })) {
    hooks_over_default.decommit = nullptr;
  }
  if (jemalloc::read<bool>("opt.retain").value_or(false)) hooks_over_default.dalloc = nullptr;
}

PurgeTraceTotals totals() {
  return {.request_threads = totals_of[0].read(), .background = totals_of[1].read()};
}

PurgeTotals totals_of_this_thread() noexcept {
  return own_totals;
}

void set_observer(PurgeObserver* called) {
  observer.store(called, std::memory_order_release);
}

void this_thread_is_background() noexcept {
  identity.background = true;
}

void forget_this_thread() noexcept {
  identity.thread = 0;
}

}  // namespace plateau::purge_hooks
