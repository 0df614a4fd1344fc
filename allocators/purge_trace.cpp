#include "allocators/purge_trace.hpp"

#include <jemalloc/jemalloc.h>  // for extent_hooks_t; the functions are looked up in what is loaded
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <new>
#include <string_view>
#include <thread>

#include "allocators/runtime_symbol.hpp"
#include "allocators/signals_for_others.hpp"

namespace plateau {
namespace {

constexpr std::size_t most_arenas = 4096;  // MALLCTL_ARENAS_ALL is the first number that is none's
constexpr std::chrono::milliseconds cover_period{20};
constexpr std::uint64_t no_goal = UINT64_MAX;

EventRing<PurgeEvent>& ring() {
  static auto& events = *new EventRing<PurgeEvent>(PurgeTrace::kept_events);  // hooks may run until the very end
  return events;
}

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

// What the hooks use: constant initialisation and no destructor, since they run before main and after it.
constinit std::array<std::atomic<extent_hooks_t*>, most_arenas> originals{};
constinit std::array<AtomicTotals, 2> totals_of{};  // by PurgeEvent::background
constinit std::atomic<EventRing<PurgeEvent>*> events{nullptr};
constinit std::atomic<bool> is_running{false};
constinit std::atomic<PurgeObserver*> observer{nullptr};
constinit std::atomic<std::uint64_t> goal_bytes{no_goal};

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

std::uint64_t nanoseconds(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

// Runs inside jemalloc, with locks held: no lock, no allocation. `call` returns true when nothing was given back.
template <class Call>
bool timed(PurgeKind kind, std::size_t bytes, unsigned arena, Call call) {
  if (identity.thread == 0) identify();
  PurgeEvent event{.bytes = bytes,
                   .thread = identity.thread,
                   .arena = static_cast<std::uint16_t>(arena),
                   .kind = kind,
                   .background = identity.background};
  event.start_ns = nanoseconds(CLOCK_MONOTONIC);
  const std::uint64_t cpu_before = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
  if (call()) return true;
  event.cpu_ns = nanoseconds(CLOCK_THREAD_CPUTIME_ID) - cpu_before;
  event.wall_ns = nanoseconds(CLOCK_MONOTONIC) - event.start_ns;
  totals_of[static_cast<std::size_t>(event.background)].add(event);
  ++own_totals.calls;
  own_totals.bytes += event.bytes;
  own_totals.wall_ns += event.wall_ns;
  own_totals.cpu_ns += event.cpu_ns;
  events.load(std::memory_order_acquire)->publish(event);
  if (PurgeObserver* const observe = observer.load(std::memory_order_acquire)) observe(event);
  return false;
}

extent_hooks_t* original(unsigned arena) {
  return originals[arena].load(std::memory_order_acquire);
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

bool is_of_jemalloc(const extent_hooks_t* found) {
  Dl_info hook{};
  Dl_info control{};
  return found != nullptr && dladdr(reinterpret_cast<const void*>(found->purge_forced), &hook) != 0 &&
         dladdr(reinterpret_cast<const void*>(runtime_symbol<void()>("mallctl")), &control) != 0 &&
         hook.dli_fbase == control.dli_fbase;
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
  bool retains = false;
  std::size_t size = sizeof retains;
  runtime_symbol<decltype(::mallctl)>("mallctl")("opt.retain", &retains, &size, nullptr, 0);
  if (retains) hooks_over_default.dalloc = nullptr;
}

// jemalloc's control of one arena, by numbers: no name is put together and none is parsed.
template <std::size_t length>
class ArenaControl {
 public:
  explicit ArenaControl(const char* name) {
    std::size_t count = length;
    auto* const by_name = runtime_symbol<decltype(::mallctlnametomib)>("mallctlnametomib");
    known_ = by_name != nullptr && by_name(name, path_.data(), &count) == 0 && count == length;
  }
  bool known() const { return known_; }
  template <class Value>
  bool read(unsigned arena, Value& value) const {
    auto path = at(arena);
    std::size_t size = sizeof value;
    return known_ && call_(path.data(), length, &value, &size, nullptr, 0) == 0;
  }
  template <class Value>
  bool exchange(unsigned arena, Value& old, Value value) const {
    auto path = at(arena);
    std::size_t size = sizeof old;
    return known_ && call_(path.data(), length, &old, &size, &value, sizeof value) == 0;
  }

 private:
  std::array<std::size_t, length> at(unsigned arena) const {
    auto path = path_;
    if constexpr (length == 3) path[1] = arena;
    return path;
  }
  decltype(::mallctlbymib)* call_ = runtime_symbol<decltype(::mallctlbymib)>("mallctlbymib");
  std::array<std::size_t, length> path_{};
  bool known_ = false;
};

struct Controls {
  ArenaControl<3> extent_hooks{"arena.0.extent_hooks"};
  // Told for arenas that there are, and no others; `arena.<i>.initialized` is only as new as the statistics.
  ArenaControl<3> dirty_decay{"arena.0.dirty_decay_ms"};
  ArenaControl<2> count{"arenas.narenas"};
  ArenaControl<2> huge_pages{"opt.hpa"};
};

// The rest is behind a lock, which no hook takes.
class Tracer {
 public:
  static Tracer& process() {
    static Tracer& tracer = *new Tracer;
    return tracer;
  }

  HeapReply start() {
    const std::scoped_lock lock(mutex_);
    if (!controls_.extent_hooks.known()) {
      return {false, "a purge trace needs jemalloc: link libjemalloc or preload libjemalloc.so.2"};
    }
    bool huge_pages = false;
    if (controls_.huge_pages.read(0, huge_pages) && huge_pages) {
      return {false, "a purge trace would turn jemalloc's huge page allocator off: start without hpa:true"};
    }
    if (is_running) return heap_done;
    find_default_hooks();
    events.store(&ring(), std::memory_order_release);
    {
      const SignalsForOthers signals;
      thread_ = std::thread([this, start = ++starts_] { cover_until_stopped(start); });
    }
    thread_owner_ = ::getpid();
    is_running = true;
    cover();
    return heap_done;
  }

  void stop() {
    std::thread ended;
    {
      const std::scoped_lock lock(mutex_);
      if (!is_running) return;
      is_running = false;
      ended = std::move(thread_);
      for_each_arena([this](unsigned arena, extent_hooks_t* found) {
        if (is_ours(found)) controls_.extent_hooks.exchange(arena, found, original(arena));
      });
    }
    stopped_.notify_all();
    if (thread_owner_ == ::getpid()) {
      ended.join();
    } else {
      ended.detach();  // in a forked child there is no such thread
    }
  }

  std::size_t cover_new_arenas() {
    const std::scoped_lock lock(mutex_);
    return is_running ? cover() : 0;
  }

  void cover_arena(unsigned arena) {
    const std::scoped_lock lock(mutex_);
    extent_hooks_t* found = nullptr;
    if (is_running && controls_.extent_hooks.read(arena, found) && !is_ours(found)) put_before(arena, found);
  }

 private:
  // A fork waits for the lock, so that the child, which has only the thread that forked, finds it free.
  Tracer() {
    const int registered = ::pthread_atfork([] { process().mutex_.lock(); }, [] { process().mutex_.unlock(); },
                                            [] {
                                              process().mutex_.unlock();
                                              identity.thread = 0;
                                            });
    if (registered != 0) throw std::bad_alloc();
  }

  static bool is_ours(const extent_hooks_t* found) { return found == &hooks || found == &hooks_over_default; }

  void find_default_hooks() {
    if (default_hooks_ != nullptr) return;
    extent_hooks_t* found = nullptr;
    if (!controls_.extent_hooks.read(0, found) || !is_of_jemalloc(found)) return;
    leave_out_what_fails(found);
    default_hooks_ = found;
  }

  template <class Visit>
  void for_each_arena(Visit visit) {
    unsigned count = 0;
    controls_.count.read(0, count);
    for (unsigned arena = 0; arena < count && arena < most_arenas; ++arena) {
      ssize_t decay = 0;
      extent_hooks_t* found = nullptr;
      if (controls_.dirty_decay.read(arena, decay) && controls_.extent_hooks.read(arena, found)) {
        visit(arena, found);
      }
    }
  }

  // A number may have been given up and used again, and then the arena has the default hooks. Other hooks, on an arena
  // that had ours, were put over ours by the program and call them: to go in front of those would close a circle.
  std::size_t cover() {
    std::size_t covered = 0;
    for_each_arena([&](unsigned arena, extent_hooks_t* found) {
      const bool is_new = found == default_hooks_ || original(arena) == nullptr;
      if (!is_ours(found) && is_new && put_before(arena, found)) ++covered;
    });
    return covered;
  }

  bool put_before(unsigned arena, extent_hooks_t* found) {
    originals[arena].store(found, std::memory_order_release);  // before a hook can ask for it
    extent_hooks_t* const ours = found == default_hooks_ ? &hooks_over_default : &hooks;
    extent_hooks_t* before = nullptr;
    return controls_.extent_hooks.exchange(arena, before, ours);
  }

  void cover_until_stopped(std::uint64_t start) {
    ::pthread_setname_np(::pthread_self(), "plateau-arenas");
    std::unique_lock lock(mutex_);
    while (is_running && starts_ == start) {
      cover();
      stopped_.wait_for(lock, cover_period);
    }
  }

  std::mutex mutex_;
  std::condition_variable stopped_;
  const Controls controls_;
  extent_hooks_t* default_hooks_ = nullptr;  // jemalloc's own; null when arena 0 does not have them
  std::thread thread_;
  std::uint64_t starts_ = 0;  // so that a thread which was stopped is not taken for the one that was started since
  pid_t thread_owner_ = 0;
};

}  // namespace

HeapReply PurgeTrace::start() {
  return Tracer::process().start();
}

void PurgeTrace::stop() {
  if (running()) Tracer::process().stop();
}

bool PurgeTrace::running() {
  return is_running.load(std::memory_order_relaxed);
}

std::size_t PurgeTrace::cover_new_arenas() {
  return running() ? Tracer::process().cover_new_arenas() : 0;
}

void PurgeTrace::cover_arena(unsigned index) {
  if (running()) Tracer::process().cover_arena(index);
}

PurgeTraceTotals PurgeTrace::totals() {
  return {.request_threads = totals_of[0].read(), .background = totals_of[1].read()};
}

PurgeTotals PurgeTrace::totals_of_this_thread() noexcept {
  return own_totals;
}

void PurgeTrace::set_observer(PurgeObserver* called) {
  observer.store(called, std::memory_order_release);
}

void PurgeTrace::this_thread_is_background() noexcept {
  identity.background = true;
}

void PurgeTrace::set_goal(std::optional<std::uint64_t> dirty_bytes) {
  goal_bytes.store(dirty_bytes.value_or(no_goal), std::memory_order_relaxed);
}

std::optional<std::uint64_t> PurgeTrace::goal() {
  const std::uint64_t bytes = goal_bytes.load(std::memory_order_relaxed);
  return bytes == no_goal ? std::nullopt : std::optional(bytes);
}

PurgeTrace::Reader::Reader() : events_(ring()) {
  events_.skip();
}

}  // namespace plateau
