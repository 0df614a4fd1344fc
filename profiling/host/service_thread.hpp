// Threads that serve a program without being part of it.
#pragma once

#include <pthread.h>

#include <cstddef>
#include <functional>

#include "allocators/signals_for_others.hpp"

namespace plateau {

// Names the calling thread (at most 15 characters) and keeps its allocations out of the allocator's heap profiles where
// the allocator can do that (jemalloc). Elsewhere they show up in the profile under the functions of this library.
void become_service_thread(const char* name);

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

  const char* name_;
  std::function<void()> run_;
  void* stack_ = nullptr;
  pthread_t thread_{};
};

}  // namespace plateau
