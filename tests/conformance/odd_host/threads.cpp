// Threads of the odd host: storms of them, on stacks as small as they may be, and a main thread that leaves early.
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <vector>

#include "host.hpp"
#include "waiting.hpp"

namespace plateau::conformance {
namespace {

// Creates `count` threads that run `routine`, and joins them; says how many there were.
void run_threads(const char* name, int count, std::size_t stack_bytes, void* (*routine)(void*), Host& host) {
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  if (stack_bytes != 0) ::pthread_attr_setstacksize(&attributes, stack_bytes);
  std::vector<pthread_t> threads;
  int error = 0;
  for (int i = 0; i < count && error == 0; ++i) {
    pthread_t thread{};
    error = ::pthread_create(&thread, &attributes, routine, &host);
    if (error == 0) threads.push_back(thread);
  }
  for (const pthread_t thread : threads) ::pthread_join(thread, nullptr);
  ::pthread_attr_destroy(&attributes);
  say("%s: %zu threads%s%s", name, threads.size(), error != 0 ? ", " : "", error != 0 ? ::strerrorname_np(error) : "");
}

void* work_at_pace(void* host) {
  work(static_cast<Host*>(host)->pace, 7);
  return nullptr;
}

void threads(Host& host, const std::string& argument) {
  run_threads("threads", number(argument, 4), 0, work_at_pace, host);
}

void thread_storm(Host& host, const std::string& argument) {
  const auto end = std::chrono::steady_clock::now() + host.pace;
  int failed = 0;
  do {
    std::vector<pthread_t> batch;
    for (int i = 0; i < number(argument, 8); ++i) {
      pthread_t thread{};
      const auto allocate = [](void* bytes) -> void* {
        return std::memset(::operator new(reinterpret_cast<std::size_t>(bytes)), 1,
                           reinterpret_cast<std::size_t>(bytes));
      };
      if (::pthread_create(&thread, nullptr, allocate, reinterpret_cast<void*>(std::size_t{5000})) != 0) {
        ++failed;
        continue;
      }
      batch.push_back(thread);
    }
    for (const pthread_t thread : batch) {
      void* block = nullptr;
      ::pthread_join(thread, &block);
      ::operator delete(block);
    }
  } while (std::chrono::steady_clock::now() < end);
  say("thread_storm: %s", failed == 0 ? "all made" : "some not made");
}

// Little of its own on the stack: what is left belongs to whoever interrupts it, and that must be enough.
[[gnu::noinline]] std::uint64_t spin_on_little_stack(std::chrono::milliseconds pace) {
  const auto end = std::chrono::steady_clock::now() + pace;
  std::uint64_t sum = 0;
  while (std::chrono::steady_clock::now() < end) {
    for (int i = 0; i < 1000; ++i) sum = sum * 31 + static_cast<std::uint64_t>(i);
  }
  return sum;
}

void small_stacks(Host& host, const std::string& argument) {
  const auto minimum = static_cast<std::size_t>(::sysconf(_SC_THREAD_STACK_MIN));
  const auto spin = [](void* at) -> void* {
    static std::atomic<std::uint64_t> sink{0};
    sink += spin_on_little_stack(static_cast<Host*>(at)->pace);
    return nullptr;
  };
  run_threads("small_stacks", number(argument, 3), minimum, spin, host);
}

ucontext_t scheduler;
ucontext_t coroutine;
std::chrono::milliseconds coroutine_pace;

void run_coroutine() {
  for (;;) {
    static std::atomic<std::uint64_t> sink{0};
    sink += spin_on_little_stack(coroutine_pace / 4);
    ::swapcontext(&coroutine, &scheduler);
  }
}

// A stack that no thread library knows of, with pages beside it that may not be touched.
void coroutines(Host& host, const std::string& argument) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t bytes = static_cast<std::size_t>(number(argument, 16)) * 1024;
  auto* const memory = static_cast<char*>(
      ::mmap(nullptr, bytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  if (memory == MAP_FAILED || ::mprotect(memory + page, bytes, PROT_READ | PROT_WRITE) != 0) {
    say("coroutines: %s", outcome(false));
    return;
  }
  coroutine_pace = host.pace;
  ::getcontext(&coroutine);
  coroutine.uc_stack.ss_sp = memory + page;
  coroutine.uc_stack.ss_size = bytes;
  coroutine.uc_link = nullptr;
  ::makecontext(&coroutine, run_coroutine, 0);
  for (int i = 0; i < 4; ++i) ::swapcontext(&scheduler, &coroutine);
  ::munmap(memory, bytes + 2 * page);
  say("coroutines: done");
}

[[gnu::noinline]] std::uint64_t deep(int depth, Host& host) {
  volatile std::uint64_t here = static_cast<std::uint64_t>(depth);
  if (depth == 0) return work(host.pace, 11);
  return deep(depth - 1, host) + here;
}

void deep_recursion(Host& host, const std::string& argument) {
  host.checksum += deep(number(argument, 2000), host);
  say("deep: done");
}

// The rest of the program runs in another thread, and the main thread is gone.
void main_thread_exits(Host& host, const std::string& /*argument*/) {
  say("main_exits: goes");  // before the other thread says anything
  pthread_t thread{};
  const int error = ::pthread_create(
      &thread, nullptr, [](void* at) -> void* { end(*static_cast<Host*>(at)); }, &host);
  if (error != 0) {
    say("main_exits: %s", ::strerrorname_np(error));
    return;
  }
  ::pthread_detach(thread);
  ::pthread_exit(nullptr);
}

void cancel_a_thread(Host& host, const std::string& /*argument*/) {
  pthread_t thread{};
  const auto wait = [](void*) -> void* {
    for (;;) ::pause();
  };
  if (const int error = ::pthread_create(&thread, nullptr, wait, nullptr); error != 0) {
    say("cancel: %s", ::strerrorname_np(error));
    return;
  }
  work(host.pace, 13);
  void* result = nullptr;
  ::pthread_cancel(thread);
  ::pthread_join(thread, &result);
  say("cancel: %s", result == PTHREAD_CANCELED ? "cancelled" : "ended otherwise");
}

constexpr Operation operations[] = {
    {"threads", threads},        {"thread_storm", thread_storm}, {"small_stacks", small_stacks},
    {"coroutines", coroutines},  {"deep", deep_recursion},       {"main_exits", main_thread_exits},
    {"cancel", cancel_a_thread},
};

}  // namespace

std::span<const Operation> thread_operations() {
  return operations;
}

}  // namespace plateau::conformance
