#include "profiling/stacks/thread_timers.hpp"

#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <random>
#include <set>
#include <stdexcept>
#include <string>

#include "profiling/host/hidden_signal.hpp"
#include "profiling/host/service_thread.hpp"

namespace plateau {
namespace {

// Makes the clock as pthread_getcpuclockid() does (Linux, include/linux/posix-timers_types.h: a thread's clock, by its
// scheduler time), for a thread that is known by its number only.
clockid_t cpu_clock_of(pid_t thread) {
  constexpr unsigned of_a_thread = 4;
  constexpr unsigned scheduler_time = 2;
  return static_cast<clockid_t>(~static_cast<unsigned>(thread) << 3 | of_a_thread | scheduler_time);
}

std::set<pid_t> threads_of_this_process() {
  // Not /proc/self, which shows nothing when the main thread has ended.
  const std::string folder = "/proc/thread-self/../";
  std::set<pid_t> threads;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename();
    pid_t thread = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), thread).ec == std::errc()) threads.insert(thread);
  }
  if (error || threads.empty()) throw std::runtime_error("/proc does not show the threads of this process");
  return threads;
}

timespec as_timespec(std::chrono::nanoseconds duration) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration);
  return {seconds.count(), (duration - seconds).count()};
}

}  // namespace

void ThreadTimers::clear() {
  for (const auto& [thread, timer] : timers_) ::timer_delete(timer);
  timers_.clear();
}

bool ThreadTimers::add(pid_t thread) {
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = hidden_signal::number;
  event.sigev_value.sival_ptr = hidden_signal::value();
  event._sigev_un._tid = thread;  // glibc before 2.38 has no name for it
  timer_t timer{};
  if (::timer_create(cpu_clock_of(thread), &event, &timer) != 0) return false;
  // The first comes at a random moment: threads that begin together are not interrupted together.
  static thread_local std::minstd_rand random(std::random_device{}());
  const std::chrono::nanoseconds first(std::uniform_int_distribution<std::int64_t>(1, period_.count())(random));
  const itimerspec times{as_timespec(period_), as_timespec(first)};
  if (::timer_settime(timer, 0, &times, nullptr) != 0) {
    ::timer_delete(timer);
    return false;
  }
  timers_.emplace(thread, timer);
  return true;
}

void ThreadTimers::update() {
  std::set<pid_t> threads = threads_of_this_process();
  std::erase_if(threads, is_service_thread);
  std::erase_if(timers_, [&threads](const auto& one) {
    if (threads.contains(one.first)) return false;
    ::timer_delete(one.second);
    return true;
  });
  without_ = 0;
  for (const pid_t thread : threads) {
    if (!timers_.contains(thread) && !add(thread)) ++without_;
  }
}

}  // namespace plateau
