// What the odd host does with signals and timers, SIGPROF and its timer before all: they are the program's.
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <thread>

#include "host.hpp"
#include "waiting.hpp"

namespace plateau::conformance {
namespace {

std::array<std::atomic<int>, 65> received{};

void count(int signal) {
  received[static_cast<std::size_t>(signal)].fetch_add(1, std::memory_order_relaxed);
}

bool handle(int signal, int flags) {
  struct sigaction action {};
  action.sa_handler = count;
  action.sa_flags = flags;
  ::sigemptyset(&action.sa_mask);
  return ::sigaction(signal, &action, nullptr) == 0;
}

void check_handler(int signal) {
  struct sigaction action {};
  ::sigaction(signal, nullptr, &action);
  say("signal %d: %s", signal, action.sa_handler == count ? "own handler" : "somebody else's handler");
}

bool ticks_again(int signal) {
  auto& counter = received[static_cast<std::size_t>(signal)];
  const int before = counter.load();
  timespec start{};
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
  do {
    work(std::chrono::milliseconds(5), 3);
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  } while (counter.load() == before && now.tv_sec - start.tv_sec < 3);
  return counter.load() != before;
}

void check_interval_timer(__itimer_which_t which, int signal) {
  check_handler(signal);
  itimerval now{};
  ::getitimer(which, &now);
  say("itimer %d: every %lld us, %s", static_cast<int>(which), static_cast<long long>(now.it_interval.tv_usec),
      ticks_again(signal) ? "ticks" : "does not tick");
}

void own_interval_timer(Host& host, __itimer_which_t which, int signal) {
  const itimerval every{{0, 12000}, {0, 12000}};
  say("itimer %d: %s %s", static_cast<int>(which), outcome(handle(signal, SA_RESTART)),
      outcome(::setitimer(which, &every, nullptr) == 0));
  host.final_checks.emplace_back([which, signal, process = ::getpid()] {
    if (process != ::getpid()) return;  // a child does not inherit it
    check_interval_timer(which, signal);
  });
}

void own_prof_timer(Host& host, const std::string& /*argument*/) {
  own_interval_timer(host, ITIMER_PROF, SIGPROF);
}

void own_virtual_timer(Host& host, const std::string& /*argument*/) {
  own_interval_timer(host, ITIMER_VIRTUAL, SIGVTALRM);
}

void own_real_timer(Host& host, const std::string& /*argument*/) {
  own_interval_timer(host, ITIMER_REAL, SIGALRM);
}

// A handler of SIGPROF that waits for a signal of the host's own, which does not come.
void own_prof_handler(Host& host, const std::string& /*argument*/) {
  say("prof_handler: %s", outcome(handle(SIGPROF, SA_RESTART)));
  host.final_checks.emplace_back([before = received[SIGPROF].load()] {
    check_handler(SIGPROF);
    itimerval now{};
    ::getitimer(ITIMER_PROF, &now);
    if (now.it_interval.tv_usec == 0) say("prof_handler: %d signals", received[SIGPROF].load() - before);
  });
}

void give_prof_back(Host& /*host*/, const std::string& /*argument*/) {
  const itimerval never{};
  ::setitimer(ITIMER_PROF, &never, nullptr);
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  say("prof_default: %s", outcome(::sigaction(SIGPROF, &action, nullptr) == 0));
}

void ignore_prof(Host& host, const std::string& /*argument*/) {
  struct sigaction action {};
  action.sa_handler = SIG_IGN;
  say("prof_ignored: %s", outcome(::sigaction(SIGPROF, &action, nullptr) == 0));
  host.final_checks.emplace_back([] {
    struct sigaction now {};
    ::sigaction(SIGPROF, nullptr, &now);
    say("prof_ignored: %s", now.sa_handler == SIG_IGN ? "still"
                            : now.sa_handler == count ? "no, own handler"
                                                      : "no longer");
  });
}

void own_posix_timer(Host& host, clockid_t clock, int signal, const char* name) {
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = signal;
  timer_t timer{};
  const itimerspec every{{0, 12'000'000}, {0, 12'000'000}};
  const bool handled = handle(signal, SA_RESTART);
  const bool made = ::timer_create(clock, &event, &timer) == 0;
  say("%s: %s %s", name, outcome(handled), outcome(made && ::timer_settime(timer, 0, &every, nullptr) == 0));
  if (!made) return;
  host.final_checks.emplace_back([timer, signal, name, process = ::getpid()] {
    if (process != ::getpid()) return;
    itimerspec now{};
    const bool there = ::timer_gettime(timer, &now) == 0;
    check_handler(signal);
    say("%s: every %lld ns, %s", name, there ? static_cast<long long>(now.it_interval.tv_nsec) : -1,
        ticks_again(signal) ? "ticks" : "does not tick");
  });
}

void own_clock_timer(Host& host, const std::string& /*argument*/) {
  own_posix_timer(host, CLOCK_MONOTONIC, SIGRTMIN + 3, "clock_timer");
}

void own_cpu_timer(Host& host, const std::string& /*argument*/) {
  own_posix_timer(host, CLOCK_PROCESS_CPUTIME_ID, SIGPROF, "cpu_timer");
}

std::string pending_signals() {
  sigset_t pending;
  ::sigemptyset(&pending);
  ::sigpending(&pending);
  std::string numbers;
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    struct sigaction action {};
    ::sigaction(signal, nullptr, &action);
    // One that the host asked for itself is there or not yet.
    if (action.sa_handler != count && ::sigismember(&pending, signal) == 1) numbers += " " + std::to_string(signal);
  }
  return numbers;
}

void block_all(Host& host, const std::string& /*argument*/) {
  sigset_t all;
  ::sigfillset(&all);
  say("block_all: %s", outcome(::pthread_sigmask(SIG_SETMASK, &all, nullptr) == 0));
  host.final_checks.emplace_back([] { say("block_all: pending%s", pending_signals().c_str()); });
}

void unblock_all(Host& /*host*/, const std::string& /*argument*/) {
  sigset_t none;
  ::sigemptyset(&none);
  say("unblock_all: %s", outcome(::pthread_sigmask(SIG_SETMASK, &none, nullptr) == 0));
}

void list_dispositions(Host& /*host*/, const std::string& /*argument*/) {
  sigset_t blocked;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    if (signal > SIGSYS && signal < SIGRTMIN) continue;  // glibc's own
    struct sigaction action {};
    ::sigaction(signal, nullptr, &action);
    const bool is_blocked = ::sigismember(&blocked, signal) == 1;
    if (action.sa_handler == SIG_DFL && !is_blocked) continue;
    say("signal %d: %s%s, flags %x", signal,
        action.sa_handler == SIG_DFL   ? "default"
        : action.sa_handler == SIG_IGN ? "ignored"
        : action.sa_handler == count   ? "own handler"
                                       : "handled",
        is_blocked ? ", blocked" : "", static_cast<unsigned>(action.sa_flags));
  }
}

// Waits for any signal at all while another thread works: none is for the host.
void wait_for_any(Host& host, const std::string& /*argument*/) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const WorkingThread working(host.pace * 2);
  const timespec pace{0, host.pace.count() * 1'000'000};
  const int signal = ::sigtimedwait(&all, nullptr, &pace);
  say("sigtimedwait: %s %d", outcome(signal > 0), signal);
  const int fd = ::signalfd(-1, &all, SFD_CLOEXEC);
  pollfd wanted{fd, POLLIN, 0};
  say("signalfd: %d", ::poll(&wanted, 1, static_cast<int>(host.pace.count())));
  ::close(fd);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// Calls that are not restarted after a handler ran, while another thread works.
void count_interruptions(Host& host, const std::string& /*argument*/) {
  const WorkingThread working(host.pace);
  int interrupted = 0;
  for (int i = 0; i < 5; ++i) {
    const int milliseconds = static_cast<int>(host.pace.count() / 10);
    if (::poll(nullptr, 0, milliseconds) < 0 && errno == EINTR) ++interrupted;
    const timespec pause{0, milliseconds * 1'000'000};
    if (::nanosleep(&pause, nullptr) < 0 && errno == EINTR) ++interrupted;
  }
  const bool own_timers =
      received[SIGALRM] + received[SIGPROF] + received[SIGVTALRM] + received[static_cast<std::size_t>(SIGRTMIN) + 3] !=
      0;
  if (!own_timers) say("interruptions: %d", interrupted);
}

void keep_errno(Host& host, const std::string& /*argument*/) {
  errno = EDOTDOT;
  volatile std::uint64_t sum = 0;
  const auto end = std::chrono::steady_clock::now() + host.pace;
  while (std::chrono::steady_clock::now() < end) {
    for (std::uint64_t i = 0; i < 1000; ++i) sum = sum + i;
  }
  say("errno: %s", errno == EDOTDOT ? "kept" : ::strerrorname_np(errno));
}

sigjmp_buf before_overflow;

volatile int deepest = 1 << 30;

[[gnu::noinline]] int recurse_for_ever(int depth) {
  if (depth == deepest) return 0;
  volatile char frame[4096];
  frame[0] = static_cast<char>(depth);
  return recurse_for_ever(depth + 1) + frame[0];
}

// A stack overflow that the program survives, as interpreters do: by a handler on a stack of its own.
void survive_overflow(Host& /*host*/, const std::string& /*argument*/) {
  static std::array<char, 65536> other_stack;
  stack_t stack{};
  stack.ss_sp = other_stack.data();
  stack.ss_size = other_stack.size();
  stack_t stack_before{};
  ::sigaltstack(&stack, &stack_before);
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) { siglongjmp(before_overflow, 1); };
  action.sa_flags = SA_ONSTACK;
  ::sigaction(SIGSEGV, &action, &before);
  if (sigsetjmp(before_overflow, 1) == 0) {
    say("overflow: %d", recurse_for_ever(0));
  } else {
    say("overflow: survived");
  }
  ::sigaction(SIGSEGV, &before, nullptr);
  ::sigaltstack(&stack_before, nullptr);
}

void queue_to_itself(Host& /*host*/, const std::string& argument) {
  const int signal = SIGRTMIN + 5;
  sigset_t one;
  sigset_t before;
  ::sigemptyset(&one);
  ::sigaddset(&one, signal);
  ::pthread_sigmask(SIG_BLOCK, &one, &before);
  int queued = 0;
  for (int i = 0; i < number(argument, 3); ++i) queued += ::sigqueue(::getpid(), signal, {.sival_int = i}) == 0 ? 1 : 0;
  int taken = 0;
  const timespec none{};
  while (::sigtimedwait(&one, nullptr, &none) == signal) ++taken;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  say("sigqueue: %d queued, %d taken", queued, taken);
}

void raise_signal(Host& /*host*/, const std::string& argument) {
  ::raise(number(argument, SIGTERM));
}

constexpr Operation operations[] = {
    {"prof_timer", own_prof_timer},
    {"prof_handler", own_prof_handler},
    {"prof_default", give_prof_back},
    {"prof_ignored", ignore_prof},
    {"virtual_timer", own_virtual_timer},
    {"real_timer", own_real_timer},
    {"clock_timer", own_clock_timer},
    {"cpu_timer", own_cpu_timer},
    {"block_all", block_all},
    {"unblock_all", unblock_all},
    {"dispositions", list_dispositions},
    {"sigwait", wait_for_any},
    {"interruptions", count_interruptions},
    {"errno", keep_errno},
    {"overflow", survive_overflow},
    {"sigqueue", queue_to_itself},
    {"raise", raise_signal},
};

}  // namespace

std::span<const Operation> signal_operations() {
  return operations;
}

}  // namespace plateau::conformance
