#include "profiling/agent_system_calls.hpp"

#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <exception>

#include "profiling/agent_children.hpp"
#include "profiling/agent_last_thread.hpp"
#include "profiling/agent_next_function.hpp"
#include "profiling/agent_one_thread.hpp"
#include "profiling/heap_sampler.hpp"
#include "profiling/sampler/mapped_ranges.hpp"

using SystemCall = long(long, long, long, long, long, long, long);

extern "C" {
// What syscall() goes on with; the kernel itself until the C library's is known. Used by the code below.
[[gnu::visibility("hidden")]] long plateau_kernel_call(long, long, long, long, long, long, long);
[[gnu::visibility("hidden")]] long plateau_watched_call(long, long, long, long, long, long, long);
[[gnu::visibility("hidden")]] extern SystemCall* plateau_next_system_call;
}

namespace plateau {
namespace {

using Control = int(int, unsigned long, unsigned long, unsigned long, unsigned long);
constinit NextFunction<Control> next_control("prctl");
constinit std::atomic<bool> filtered{false};
constinit std::atomic<bool> is_strict{false};

// Which calls are forbidden.
enum class Filter { of_thread, of_all_threads, strict };

void before_filter(Filter filter) noexcept {
  AgentServices* const services = agent_services();
  if (services == nullptr || !services->is_of_this_process()) return;
  const int saved_errno = errno;
  HeapSampler::stop();
  sampler::stop_recording_mappings();
  if (filter == Filter::of_all_threads) {
    services->end();
    if (services->wishes().verbose) {
      say(AgentWishes::address_variable, "not served any more: the program sets a filter of calls for all its threads");
    }
  } else if (filter == Filter::strict) {
    end_when_the_main_thread_has();  // which will be by exit(2), and no thread can be made then
  }
  filtered.store(true);
  if (filter == Filter::strict) is_strict.store(true);
  errno = saved_errno;
}

void before_exit_of_thread() noexcept {
  const AgentServices* const services = agent_services();
  if (services == nullptr || is_strict.load() || !services->is_of_this_process()) return;
  if (::gettid() == ::getpid()) end_when_the_main_thread_has();
}

}  // namespace

void watch_system_calls() noexcept {
  next_control.look_up();
#ifdef __x86_64__
  static constinit NextFunction<SystemCall> next("syscall");
  if (SystemCall* const found = next.look_up()) plateau_next_system_call = found;
#endif
}

bool has_own_filter() noexcept {
  return filtered.load();
}

}  // namespace plateau

extern "C" {

#ifdef __x86_64__
SystemCall* plateau_next_system_call = plateau_kernel_call;

long plateau_watched_call(long number, long a, long b, long c, long d, long e, long f) {
  const auto call = [&] { return static_cast<int>(plateau_next_system_call(number, a, b, c, d, e, f)); };
  switch (number) {
    case SYS_unshare:
    case SYS_setns:
      return plateau::call_of_one_thread([&call] { return call(); });
    case SYS_seccomp:
      if (a == SECCOMP_SET_MODE_STRICT) plateau::before_filter(plateau::Filter::strict);
      if (a == SECCOMP_SET_MODE_FILTER) {
        const bool for_all = (static_cast<unsigned long>(b) & SECCOMP_FILTER_FLAG_TSYNC) != 0;
        plateau::before_filter(for_all ? plateau::Filter::of_all_threads : plateau::Filter::of_thread);
      }
      break;
    case SYS_exit:
      plateau::before_exit_of_thread();
      break;
    default:
      break;
  }
  return plateau_next_system_call(number, a, b, c, d, e, f);
}

// Arguments stay where they are: for the jump, in registers and on the stack, and for the kernel, moved by one.
asm(R"(
  .text
  .p2align 4
  .globl syscall
  .type syscall, @function
syscall:
  endbr64
  cmp $60, %rdi
  je plateau_watched_call
  cmp $272, %rdi
  je plateau_watched_call
  cmp $308, %rdi
  je plateau_watched_call
  cmp $317, %rdi
  je plateau_watched_call
  jmp *plateau_next_system_call(%rip)
  .size syscall, .-syscall

  .globl plateau_kernel_call
  .hidden plateau_kernel_call
  .type plateau_kernel_call, @function
plateau_kernel_call:
  endbr64
  mov %rdi, %rax
  mov %rsi, %rdi
  mov %rdx, %rsi
  mov %rcx, %rdx
  mov %r8, %r10
  mov %r9, %r8
  mov 8(%rsp), %r9
  syscall
  cmp $-4095, %rax
  jae 1f
  ret
1:
  neg %eax
  push %rbx
  mov %eax, %ebx
  call __errno_location@PLT
  mov %ebx, (%rax)
  pop %rbx
  mov $-1, %rax
  ret
  .size plateau_kernel_call, .-plateau_kernel_call
)");
static_assert(SYS_exit == 60 && SYS_unshare == 272 && SYS_setns == 308 && SYS_seccomp == 317);
#endif

#pragma GCC visibility push(default)

// The C library's takes what follows as the caller has given it; four words are all that there can be.
int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) noexcept {
  auto* const next = plateau::next_control.look_up();
  if (next == nullptr) {
    errno = ENOSYS;
    return -1;
  }
  if (option == PR_SET_SECCOMP) {
    plateau::before_filter(a == SECCOMP_MODE_STRICT ? plateau::Filter::strict : plateau::Filter::of_thread);
  }
  return next(option, a, b, c, d);
}

#pragma GCC visibility pop
}
