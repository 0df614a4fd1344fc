#include "profiling/cpu_ticks.hpp"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/time.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <new>
#include <stdexcept>
#include <utility>

#include "profiling/host/service_thread.hpp"
#include "profiling/stacks/interrupted_stack.hpp"
#include "profiling/stacks/stack_table.hpp"
#include "profiling/stacks/thread_timers.hpp"

namespace plateau {
namespace {

constexpr int tick_signal = SIGPROF;
constexpr std::chrono::milliseconds between_looks{2};
constexpr int looks_between_updates = 10;

// Mapped while a profile is taken: at most 1 MiB of stacks and 8 MiB of their frames.
constinit StackTable<std::atomic<std::uint64_t>, 16384, std::size_t{1} << 20> stacks;
constinit std::atomic<bool> counting{false};
constinit std::atomic<int> handlers_under_way{0};
constinit std::atomic<bool> taken{false};  // by the one recording of the process
struct sigaction programs_own {};          // disposition of the signal, while it has ours

void on_tick(int /*signal*/, siginfo_t* info, void* ucontext) {
  const int saved_errno = errno;
  handlers_under_way.fetch_add(1, std::memory_order_acq_rel);
  if (counting.load(std::memory_order_acquire) && info->si_code == SI_TIMER) {
    InterruptedFrames frames;
    // Ticks that came while this one was waiting to be delivered are of the same place.
    const auto ticks = static_cast<std::uint64_t>(1 + std::max(info->si_overrun, 0));
    stacks.totals(stacks.find_or_add(interrupted_stack(frames, ucontext))).fetch_add(ticks, std::memory_order_relaxed);
  }
  handlers_under_way.fetch_sub(1, std::memory_order_acq_rel);
  errno = saved_errno;
}

bool is_ours(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == on_tick;
}

bool is_nobodys(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) == 0 && (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN);
}

// A handler may be on its way for as long as its thread is not run.
bool wait_for_handlers() {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  while (handlers_under_way.load(std::memory_order_acquire) != 0) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::sched_yield();
  }
  return true;
}

// A forked child has no timers, and goes on as if there had never been any.
void forget_in_child() {
  struct sigaction now {};
  if (::sigaction(tick_signal, nullptr, &now) == 0 && is_ours(now)) ::sigaction(tick_signal, &programs_own, nullptr);
  counting = false;
  handlers_under_way = 0;
  taken = false;
}

void forget_in_children() {
  static const int registered = ::pthread_atfork(nullptr, nullptr, forget_in_child);
  if (registered != 0) throw std::bad_alloc();
}

}  // namespace

// The timers, in a thread that keeps them up to date, and the program's own disposition of the signal.
class CpuTicks::Timers {
 public:
  explicit Timers(std::chrono::nanoseconds period) : timers_(tick_signal, period) {
    prepare_interrupted_stacks();
    forget_in_children();
    take_signal();
    try {
      counting.store(true, std::memory_order_release);
      timers_.update();  // what cannot be had is said at once
      thread_.emplace("plateau-cpu", [this] { keep_up_to_date(); });
    } catch (...) {
      end();
      throw;
    }
  }

  ~Timers() { end(); }
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  Report end() {
    if (thread_) {
      {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
      }
      changed_.notify_one();
      thread_.reset();
    }
    timers_.clear();
    give_signal_back();
    counting.store(false, std::memory_order_release);
    return std::exchange(report_, {});
  }

 private:
  void take_signal() {
    struct sigaction action {};
    action.sa_sigaction = on_tick;
    // On the stack for signals if the thread has one: that of a coroutine may be too small.
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    ::sigfillset(&action.sa_mask);
    ::sigaction(tick_signal, &action, &programs_own);
    if (is_nobodys(programs_own)) {
      holds_signal_ = true;
      return;
    }
    ::sigaction(tick_signal, &programs_own, nullptr);  // the program was faster
    throw std::runtime_error("this program has just taken SIGPROF for itself");
  }

  // Ignored for a moment: ticks that wait in threads that block the signal, and would kill later, are dropped.
  void give_signal_back() {
    if (!std::exchange(holds_signal_, false)) return;
    struct sigaction now {};
    ::sigaction(tick_signal, nullptr, &now);
    if (!is_ours(now)) return;
    struct sigaction ignored {};
    ignored.sa_handler = SIG_IGN;
    ::sigaction(tick_signal, &ignored, nullptr);
    ::sigaction(tick_signal, &programs_own, nullptr);
  }

  static bool holds_signal_still() {
    struct sigaction now {};
    return ::sigaction(tick_signal, nullptr, &now) == 0 && is_ours(now);
  }

  void keep_up_to_date() {
    for (int look = 0; wait_for_next_look(); ++look) {
      if (!holds_signal_still()) {
        timers_.clear();
        report_.cut_short = "the program has taken SIGPROF for itself";
        return;
      }
      if (look % looks_between_updates != 0) continue;
      try {
        timers_.update();
        report_.threads_not_timed = std::max(report_.threads_not_timed, timers_.threads_without());
      } catch (const std::exception& error) {
        report_.cut_short = error.what();
        return;
      }
    }
  }

  bool wait_for_next_look() {
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, between_looks, [this] { return stopping_; });
  }

  ThreadTimers timers_;
  bool holds_signal_ = false;
  Report report_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::optional<ServiceThread> thread_;
};

std::optional<std::string> CpuTicks::why_not() {
  struct sigaction action {};
  if (::sigaction(tick_signal, nullptr, &action) != 0) return "SIGPROF, which CPU profiles need, cannot be asked for";
  if (!is_nobodys(action) && !is_ours(action)) {
    return "this program has a handler of its own for SIGPROF, which CPU profiles need";
  }
  itimerval timer{};
  if (::getitimer(ITIMER_PROF, &timer) == 0 && (timer.it_value.tv_sec != 0 || timer.it_value.tv_usec != 0)) {
    return "this program has set ITIMER_PROF, whose SIGPROF CPU profiles would take";
  }
  return std::nullopt;
}

CpuTicks::CpuTicks(std::chrono::nanoseconds period) {
  if (taken.exchange(true)) throw std::runtime_error("a CPU profile is being recorded already");
  try {
    timers_ = std::make_unique<Timers>(period);
  } catch (...) {
    taken = false;
    throw;
  }
}

CpuTicks::~CpuTicks() {
  timers_.reset();
  if (wait_for_handlers()) stacks.clear();
  taken = false;
}

CpuTicks::Report CpuTicks::stop() {
  Report report = timers_->end();
  wait_for_handlers();
  report.ticks_not_kept = stacks.totals(decltype(stacks)::overflow).load(std::memory_order_relaxed);
  return report;
}

void CpuTicks::for_each_stack(const std::function<void(std::span<const std::uintptr_t>, std::uint64_t)>& visit) const {
  stacks.for_each([&visit](std::span<const std::uintptr_t> stack, const std::atomic<std::uint64_t>& ticks) {
    if (const std::uint64_t count = ticks.load(std::memory_order_relaxed); count > 0) visit(stack, count);
  });
}

}  // namespace plateau
