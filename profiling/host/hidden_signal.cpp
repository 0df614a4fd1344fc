#include "profiling/host/hidden_signal.hpp"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <system_error>

#include "allocators/signals_for_others.hpp"

namespace plateau::hidden_signal {
namespace {

constinit std::atomic<Handler> of_timers{nullptr};
constinit std::atomic<Handler> of_queued{nullptr};

using Action = void (*)(int, siginfo_t*, void*);
constinit std::atomic<Action> before{nullptr};  // glibc's handler, or that of another version of this library

void on_signal(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  const bool carries_a_value = info->si_code == SI_TIMER || info->si_code == SI_QUEUE;
  if (carries_a_value && info->si_value.sival_ptr == value()) {
    const auto& handler = info->si_code == SI_TIMER ? of_timers : of_queued;
    if (const Handler ours = handler.load(std::memory_order_acquire)) ours(*info, context);
  } else if (const Action others = before.load(std::memory_order_acquire)) {
    others(signal, info, context);
  }
  errno = saved_errno;
}

[[noreturn]] void fail() {
  throw std::system_error(errno, std::generic_category(), "cannot handle a signal");
}

#ifdef __SANITIZE_THREAD__

void install() {
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  ::sigfillset(&action.sa_mask);
  if (::sigaction(number, &action, nullptr) != 0) fail();
}

#else

// The kernel's form; its mask is of one word.
struct KernelAction {
  Action action;
  unsigned long flags;
#ifdef __x86_64__
  void (*restorer)();
#endif
  unsigned long mask;
};

void set_action(const KernelAction* wanted, KernelAction* replaced) {
  if (::syscall(SYS_rt_sigaction, number, wanted, replaced, sizeof wanted->mask) != 0) fail();
}

// glibc sets its handler when the first thread is made.
void make_a_thread() {
  const SignalsForOthers signals;
  pthread_t thread{};
  const int error = ::pthread_create(
      &thread, nullptr, [](void* nothing) { return nothing; }, nullptr);
  if (error != 0) throw std::system_error(error, std::generic_category(), "cannot start a thread");
  ::pthread_join(thread, nullptr);
}

bool is_function(Action action) {
  return action != nullptr && reinterpret_cast<std::uintptr_t>(action) != reinterpret_cast<std::uintptr_t>(SIG_IGN);
}

// A program that posix_spawn() started (every one below make) ignores this signal until it makes a thread.
//
// Another version of this library may have come in front meanwhile. It hands on what is not its own, so that its place
// is left to it: each putting itself before the other would make a ring.
void install() {
  KernelAction now{};
  set_action(nullptr, &now);
  if (!is_function(now.action)) {
    make_a_thread();
    set_action(nullptr, &now);
  }
  if (now.action == on_signal) return;
  const Action known = before.load(std::memory_order_acquire);
  if (known != nullptr && now.action != known) return;
  before.store(is_function(now.action) ? now.action : nullptr, std::memory_order_release);
  // Like glibc's, whose function for the return from a handler it keeps, but on the stack for signals if the thread has
  // one: that of a coroutine may be too small.
  now.action = on_signal;
  now.flags |= SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  now.mask = ~0UL;
  set_action(&now, nullptr);
}

#endif

void set(std::atomic<Handler>& which, Handler handler) {
  static constinit std::mutex mutex;
  const std::lock_guard lock(mutex);
  which.store(handler, std::memory_order_release);
  install();
}

}  // namespace

void* value() noexcept {
  return &of_timers;
}

void handle_timers(Handler handler) {
  set(of_timers, handler);
}

void handle_queued(Handler handler) {
  set(of_queued, handler);
}

}  // namespace plateau::hidden_signal
