#include "allocators/purge_trace.hpp"

#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <new>
#include <thread>

#include "allocators/jemalloc/control.hpp"
#include "allocators/jemalloc/purge_hooks.hpp"
#include "allocators/signals_for_others.hpp"

namespace plateau {
namespace {

constexpr std::chrono::milliseconds cover_period{20};
constexpr std::uint64_t no_goal = UINT64_MAX;

constinit std::atomic<bool> is_running{false};
constinit std::atomic<std::uint64_t> goal_bytes{no_goal};

struct Controls {
  jemalloc::Mib extent_hooks{"arena.0.extent_hooks"};
  // Told for arenas that there are, and no others; `arena.<i>.initialized` is only as new as the statistics.
  jemalloc::Mib dirty_decay{"arena.0.dirty_decay_ms"};
  jemalloc::Mib count{"arenas.narenas"};
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
    if (jemalloc::read<bool>("opt.hpa").value_or(false)) {
      return {false, "a purge trace would turn jemalloc's huge page allocator off: start without hpa:true"};
    }
    if (is_running) return heap_done;
    find_default_hooks();
    purge_hooks::events();
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
        if (purge_hooks::is_ours(found)) controls_.extent_hooks.exchange(purge_hooks::original(arena), arena);
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
    if (!is_running) return;
    const auto found = controls_.extent_hooks.read<extent_hooks_t*>(arena);
    if (found && !purge_hooks::is_ours(found.value)) put_before(arena, found.value);
  }

 private:
  // A fork waits for the lock, so that the child, which has only the thread that forked, finds it free.
  Tracer() {
    const int registered = ::pthread_atfork([] { process().mutex_.lock(); }, [] { process().mutex_.unlock(); },
                                            [] {
                                              process().mutex_.unlock();
                                              purge_hooks::forget_this_thread();
                                            });
    if (registered != 0) throw std::bad_alloc();
  }

  void find_default_hooks() {
    if (default_hooks_ != nullptr) return;
    const auto found = controls_.extent_hooks.read<extent_hooks_t*>(0U);
    if (!found || !purge_hooks::is_of_jemalloc(found.value)) return;
    purge_hooks::leave_out_what_fails(found.value);
    default_hooks_ = found.value;
  }

  template <class Visit>
  void for_each_arena(Visit visit) {
    const unsigned count = controls_.count.read<unsigned>().value_or(0);
    for (unsigned arena = 0; arena < count && arena < purge_hooks::most_arenas; ++arena) {
      if (!controls_.dirty_decay.read<ssize_t>(arena)) continue;
      if (const auto found = controls_.extent_hooks.read<extent_hooks_t*>(arena)) visit(arena, found.value);
    }
  }

  // A number may have been given up and used again, and then the arena has the default hooks. Other hooks, on an arena
  // that had ours, were put over ours by the program and call them: to go in front of those would close a circle.
  std::size_t cover() {
    std::size_t covered = 0;
    for_each_arena([&](unsigned arena, extent_hooks_t* found) {
      const bool is_new = found == default_hooks_ || purge_hooks::original(arena) == nullptr;
      if (!purge_hooks::is_ours(found) && is_new && put_before(arena, found)) ++covered;
    });
    return covered;
  }

  bool put_before(unsigned arena, extent_hooks_t* found) {
    extent_hooks_t* const ours = purge_hooks::before(arena, found, found == default_hooks_);
    return static_cast<bool>(controls_.extent_hooks.exchange(ours, arena));
  }

  void cover_until_stopped(std::uint64_t start) {
    ::pthread_setname_np(::pthread_self(), "plateau-arenas");
    purge_hooks::this_thread_is_background();
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
  return purge_hooks::totals();
}

PurgeTotals PurgeTrace::totals_of_this_thread() noexcept {
  return purge_hooks::totals_of_this_thread();
}

void PurgeTrace::set_observer(PurgeObserver* called) {
  purge_hooks::set_observer(called);
}

void PurgeTrace::this_thread_is_background() noexcept {
  purge_hooks::this_thread_is_background();
}

void PurgeTrace::set_goal(std::optional<std::uint64_t> dirty_bytes) {
  goal_bytes.store(dirty_bytes.value_or(no_goal), std::memory_order_relaxed);
}

std::optional<std::uint64_t> PurgeTrace::goal() {
  const std::uint64_t bytes = goal_bytes.load(std::memory_order_relaxed);
  return bytes == no_goal ? std::nullopt : std::optional(bytes);
}

PurgeTrace::Reader::Reader() : events_(purge_hooks::events()) {
  events_.skip();
}

}  // namespace plateau
