// Threads that serve a program without being part of it.
#pragma once

#include <pthread.h>

#include <array>
#include <cstddef>
#include <functional>

#include "allocators/signals_for_others.hpp"

namespace plateau {

// Names the calling thread (at most 15 characters) and keeps its allocations out of the allocator's heap profiles where
// the allocator can do that (jemalloc). Elsewhere they show up in the profile under the functions of this library.
void become_service_thread(const char* name);

// Says whether the thread with this number is a ServiceThread of this process. Async-signal-safe.
bool is_service_thread(pid_t thread) noexcept;

// Writes the numbers of this process's ServiceThreads to `threads`, and returns how many there are: none in a child
// made by fork. Async-signal-safe.
constexpr std::size_t most_service_threads = 64;
std::size_t service_threads(std::array<pid_t, most_service_threads>& threads) noexcept;

// How many ServiceThreads are alive, those that have just begun and have no number yet among them; more in a child made
// by fork.
std::size_t service_threads_begun() noexcept;

// Has ServiceThreads that are made from then on left out when glibc changes the user or the groups of all threads: it
// ends the process when that works in one thread and not in another, and the program's thread may have capabilities
// that ours lack (PR_SET_KEEPCAPS). Whoever calls this lets them follow, see follow_ids.hpp. Does nothing where
// libunwind is loaded.
void hide_service_threads_from_set_id();
bool are_service_threads_hidden_from_set_id() noexcept;

// A service thread, joined at the end. It takes no signals, and its stack, 512 KiB and a guard page, is outside what a
// program locks into memory by mlockall(MCL_FUTURE).
class ServiceThread {
 public:
  // Throws std::system_error, in one line, when the kernel gives no thread (RLIMIT_NPROC, pids.max) or no memory for it
  // (RLIMIT_AS). `run` must not throw.
  ServiceThread(const char* name, std::function<void()> run);
  ~ServiceThread();
  ServiceThread(const ServiceThread&) = delete;
  ServiceThread& operator=(const ServiceThread&) = delete;

 private:
  static void* enter(void* thread);
  void run() const;

  const char* name_;
  std::function<void()> run_;
  void* stack_ = nullptr;
  pthread_t thread_{};
};

}  // namespace plateau
