#include "profiling/agent_last_thread.hpp"

#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>

#include "profiling/host/private_descriptors.hpp"
#include "profiling/host/service_thread.hpp"

namespace plateau {
namespace {

constexpr std::chrono::milliseconds between_looks{20};

using Exit = void(void*);
constinit std::atomic<Exit*> next_exit{nullptr};

Exit* find_next_exit() noexcept {
  Exit* known = next_exit.load(std::memory_order_relaxed);
  if (known == nullptr) {
    known = reinterpret_cast<Exit*>(::dlsym(RTLD_NEXT, "pthread_exit"));
    next_exit.store(known, std::memory_order_relaxed);
  }
  return known;
}

// The main thread stays in the list, as a zombie, until the process ends; /proc/self then shows nothing.
bool has_a_thread_of_the_program() {
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator("/proc/thread-self/../", error)) {
    const std::string name = task.path().filename();
    pid_t thread = 0;
    std::from_chars(name.data(), name.data() + name.size(), thread);
    if (thread != ::getpid() && !is_service_thread(thread)) return true;
  }
  return static_cast<bool>(error);  // who cannot see leaves the process alone
}

void watch(const PrivateDescriptors& descriptors) {
  if (!descriptors.enter()) return;
  while (has_a_thread_of_the_program()) std::this_thread::sleep_for(between_looks);
  std::exit(0);
}

void watch_unless_refused(const PrivateDescriptors& descriptors) noexcept {
  try {
    watch(descriptors);
  } catch (const std::exception&) {
    // A sandbox allows no table of its own: the process stays until it is killed.
  }
}

}  // namespace

void prepare_for_the_last_thread() noexcept {
  find_next_exit();
}

void end_with_the_programs_last_thread() noexcept {
  std::array<pid_t, most_service_threads> threads;
  if (service_threads(threads) == 0) return;
  try {
    const PrivateDescriptors descriptors;
    // Ends the process, and is never joined.
    static_cast<void>(new ServiceThread("plateau-last", [descriptors] { watch_unless_refused(descriptors); }));
  } catch (const std::exception&) {
    // No thread is to be had: the process stays until it is killed.
  }
}

}  // namespace plateau

extern "C" {
#pragma GCC visibility push(default)

[[noreturn]] void pthread_exit(void* result) {
  if (::gettid() == ::getpid()) plateau::end_with_the_programs_last_thread();
  if (auto* const next = plateau::find_next_exit()) next(result);
  std::abort();
}

#pragma GCC visibility pop
}
