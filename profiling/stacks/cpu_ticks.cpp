#include "profiling/cpu_ticks.hpp"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/time.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <new>
#include <stdexcept>
#include <utility>

#include "profiling/host/hidden_signal.hpp"
#include "profiling/host/service_thread.hpp"
#include "profiling/stacks/interrupted_stack.hpp"
#include "profiling/stacks/stack_table.hpp"
#include "profiling/stacks/thread_timers.hpp"

namespace plateau {
namespace {

constexpr std::chrono::milliseconds between_updates{20};

// Mapped while a profile is taken: at most 1 MiB of stacks and 8 MiB of their frames.
constinit StackTable<std::atomic<std::uint64_t>, 16384, std::size_t{1} << 20> stacks;
constinit std::atomic<bool> counting{false};
constinit std::atomic<int> handlers_under_way{0};
constinit std::atomic<bool> taken{false};  // by the one recording of the process

void on_tick(const siginfo_t& info, void* ucontext) {
  handlers_under_way.fetch_add(1, std::memory_order_acq_rel);
  if (counting.load(std::memory_order_acquire)) {
    InterruptedFrames frames;
    // Ticks that came while this one was waiting to be delivered are of the same place.
    const auto ticks = static_cast<std::uint64_t>(1 + std::max(info.si_overrun, 0));
    stacks.totals(stacks.find_or_add(interrupted_stack(frames, ucontext))).fetch_add(ticks, std::memory_order_relaxed);
  }
  handlers_under_way.fetch_sub(1, std::memory_order_acq_rel);
}

[[maybe_unused]] bool is_nobodys(const struct sigaction& action) {
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
  counting = false;
  handlers_under_way = 0;
  taken = false;
}

void forget_in_children() {
  static const int registered = ::pthread_atfork(nullptr, nullptr, forget_in_child);
  if (registered != 0) throw std::bad_alloc();
}

}  // namespace

// The timers, and a thread that keeps them up to date.
class CpuTicks::Timers {
 public:
  explicit Timers(std::chrono::nanoseconds period) : timers_(period) {
    prepare_interrupted_stacks();
    forget_in_children();
    hidden_signal::handle_timers(on_tick);
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
    counting.store(false, std::memory_order_release);
    return std::exchange(report_, {});
  }

 private:
  void keep_up_to_date() {
    while (wait_for_next_update()) {
      try {
        hidden_signal::handle_timers(on_tick);
        timers_.update();
        report_.threads_not_timed = std::max(report_.threads_not_timed, timers_.threads_without());
      } catch (const std::exception& error) {
        report_.cut_short = error.what();
        return;
      }
    }
  }

  bool wait_for_next_update() {
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, between_updates, [this] { return stopping_; });
  }

  ThreadTimers timers_;
  Report report_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::optional<ServiceThread> thread_;
};

std::optional<std::string> CpuTicks::why_not() {
#ifdef __SANITIZE_THREAD__
  return std::nullopt;  // the handler is ours
#else
  struct sigaction action {};
  if (::sigaction(SIGPROF, nullptr, &action) == 0 && !is_nobodys(action)) {
    return "this program has a handler of its own for SIGPROF: it is its own profiler, and a second one would disturb "
           "it";
  }
  itimerval timer{};
  if (::getitimer(ITIMER_PROF, &timer) == 0 && (timer.it_value.tv_sec != 0 || timer.it_value.tv_usec != 0)) {
    return "this program has set ITIMER_PROF for its SIGPROF: it is its own profiler, and a second one would disturb "
           "it";
  }
  return std::nullopt;
#endif
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
