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
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include "allocators/system/kernel_file.hpp"
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

template <class Watch>
void unless_refused(Watch watch) noexcept {
  try {
    watch();
  } catch (const std::exception&) {
    // A sandbox allows no table of its own: the process stays until it is killed.
  }
}

// A thread of ours that has just begun is not in the list yet, and looks like one of the program's.
bool are_all_of_ours_listed() {
  std::array<pid_t, most_service_threads> threads;
  return service_threads(threads) >= service_threads_begun();
}

// Nothing while the main thread runs; its status when it has left.
std::optional<int> status_of_the_main_thread() {
  std::array<char, 2048> buffer;
  const std::string file = "/proc/thread-self/../" + std::to_string(::getpid()) + "/stat";
  const std::string_view text = kernel_file::head(file.c_str(), buffer);
  const auto name_end = text.rfind(')');  // the name may hold anything
  constexpr std::size_t state = 2;
  constexpr std::size_t status_column = 52 - 3;  // exit_code of proc(5), behind the name
  if (name_end == std::string_view::npos || text.size() <= name_end + state) return std::nullopt;
  if (text[name_end + state] != 'Z' && text[name_end + state] != 'X') return std::nullopt;
  const auto status = kernel_file::number_in_column(text.substr(name_end + 1), status_column);
  return static_cast<int>(status.value_or(0) >> 8) & 0xff;
}

void watch_the_main_thread(const PrivateDescriptors& descriptors) {
  if (!descriptors.enter()) return;
  bool is_outlived = false;
  for (;; std::this_thread::sleep_for(between_looks)) {
    const auto status = status_of_the_main_thread();
    if (!status) continue;
    // The kernel takes the status of the last thread (since 5.17), and threads leave with 0.
    const bool all_listed = are_all_of_ours_listed();
    if (!has_a_thread_of_the_program()) ::_exit(is_outlived ? 0 : *status);
    if (all_listed) is_outlived = true;
  }
}

// Ends the process, and is never joined.
template <class Watch>
void begin(Watch watch) noexcept {
  try {
    const PrivateDescriptors descriptors;
    static_cast<void>(new ServiceThread("plateau-last", [=] { unless_refused([&] { watch(descriptors); }); }));
  } catch (const std::exception&) {
    // No thread is to be had: the process stays until it is killed.
  }
}

}  // namespace

void prepare_for_the_last_thread() noexcept {
  find_next_exit();
}

void end_with_the_programs_last_thread() noexcept {
  std::array<pid_t, most_service_threads> threads;
  if (service_threads(threads) > 0) begin(watch);
}

void end_when_the_main_thread_has() noexcept {
  if (service_threads_begun() > 0) begin(watch_the_main_thread);
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
