#include "profiling/host/follow_ids.hpp"

#include <linux/capability.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <exception>
#include <mutex>
#include <span>

#include "profiling/host/hidden_signal.hpp"
#include "profiling/host/service_thread.hpp"

namespace plateau {
namespace {

constexpr auto patience = std::chrono::seconds(1);
constexpr gid_t no_group = 65534;
constexpr std::size_t most_groups = 65536;  // NGROUPS_MAX

struct Ids {
  uid_t real_user = 0;
  uid_t user = 0;
  uid_t saved_user = 0;
  gid_t real_group = 0;
  gid_t group = 0;
  gid_t saved_group = 0;
  std::size_t group_count = 0;
  std::array<gid_t, most_groups> groups{};

  bool has_root() const { return real_user == 0 || user == 0 || saved_user == 0; }
};

constinit std::mutex one_at_a_time;
constinit Ids wanted;
constinit bool keeps_capabilities = false;
constinit std::array<std::atomic<pid_t>, most_service_threads> to_follow{};  // a thread's number until it has

bool has_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return true;
  return (sets[0].permitted | sets[1].permitted) != 0;
}

void read_ids() {
  ::getresuid(&wanted.real_user, &wanted.user, &wanted.saved_user);
  ::getresgid(&wanted.real_group, &wanted.group, &wanted.saved_group);
  const int groups = ::getgroups(static_cast<int>(most_groups), wanted.groups.data());
  wanted.group_count = static_cast<std::size_t>(groups < 0 ? 0 : groups);
  keeps_capabilities = !wanted.has_root() && has_capabilities();
}

// In the service thread. System calls themselves: glibc's functions are for all threads. What this thread may not do it
// leaves: it then has less than the program.
void follow(const siginfo_t& /*info*/, void* /*context*/) {
  if (keeps_capabilities) {
    // The program will change its groups with capabilities that this thread is about to lose.
    ::syscall(SYS_setgroups, 0, nullptr);
    ::syscall(SYS_setresgid, no_group, no_group, no_group);
  } else {
    ::syscall(SYS_setgroups, wanted.group_count, wanted.groups.data());
    ::syscall(SYS_setresgid, wanted.real_group, wanted.group, wanted.saved_group);
  }
  ::syscall(SYS_setresuid, wanted.real_user, wanted.user, wanted.saved_user);
  const pid_t self = ::gettid();
  for (auto& thread : to_follow) {
    if (thread.load(std::memory_order_acquire) == self) thread.store(0, std::memory_order_release);
  }
}

bool send(pid_t thread) {
  siginfo_t info{};
  info.si_signo = hidden_signal::number;
  info.si_code = SI_QUEUE;
  info.si_pid = ::getpid();
  info.si_value.sival_ptr = hidden_signal::value();
  return ::syscall(SYS_rt_tgsigqueueinfo, ::getpid(), thread, hidden_signal::number, &info) == 0;
}

void wait_for(std::span<std::atomic<pid_t>> threads) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (const auto& thread : threads) {
    while (thread.load(std::memory_order_acquire) != 0 && std::chrono::steady_clock::now() < deadline) ::sched_yield();
  }
}

void tell(std::span<const pid_t> threads) {
  hidden_signal::handle_queued(follow);
  read_ids();
  for (std::size_t i = 0; i < threads.size(); ++i) {
    to_follow[i].store(threads[i], std::memory_order_release);
    if (!send(threads[i])) to_follow[i].store(0, std::memory_order_release);
  }
  wait_for(std::span(to_follow).first(threads.size()));
}

}  // namespace

void let_service_threads_follow() noexcept {
  std::array<pid_t, most_service_threads> threads;
  const std::size_t count = service_threads(threads);
  if (count == 0) return;
  const int saved_errno = errno;
  try {
    const std::lock_guard lock(one_at_a_time);
    tell(std::span(threads).first(count));
  } catch (const std::exception&) {
    // They go on with more than the program has.
  }
  errno = saved_errno;
}

}  // namespace plateau
