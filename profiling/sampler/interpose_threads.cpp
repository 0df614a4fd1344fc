// pthread_create of libplateau_sampler.so: stacks of threads have the stack that made them.
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#include <cstddef>
#include <cstdint>
#include <new>

#include "profiling/sampler/mapped_ranges.hpp"
#include "profiling/sampler/next_allocator.hpp"
#include "profiling/sampler/recorder.hpp"

namespace plateau::sampler {
namespace {

struct ThreadStart {
  void* (*routine)(void*);
  void* argument;
  std::uint32_t stack;
};

// The stack of the calling thread, recorded while it lives; ended by the destructor also at pthread_exit.
class RecordedThread {
 public:
  explicit RecordedThread(std::uint32_t stack) {
    thread_state.recording = true;  // glibc allocates for the processors that the thread may run on
    pthread_attr_t attributes;
    if (::pthread_getattr_np(::pthread_self(), &attributes) == 0) {
      void* start = nullptr;
      std::size_t bytes = 0;
      if (::pthread_attr_getstack(&attributes, &start, &bytes) == 0) {
        start_ = reinterpret_cast<std::uintptr_t>(start);
        limit_ = start_ + bytes;
      }
      ::pthread_attr_destroy(&attributes);
    }
    thread_state.recording = false;
    add_range({.start = start_, .limit = limit_, .stack = stack, .is_thread_stack = true});
  }
  ~RecordedThread() { remove_range(start_, limit_); }
  RecordedThread(const RecordedThread&) = delete;
  RecordedThread& operator=(const RecordedThread&) = delete;

 private:
  std::uintptr_t start_ = 0;
  std::uintptr_t limit_ = 0;
};

}  // namespace
}  // namespace plateau::sampler

// Not in the sampler's namespace: heap profiles drop what a function of the sampler calls (drop_frames).
static void* run_recorded_thread(void* argument) {
  using namespace plateau::sampler;
  const ThreadStart start = *static_cast<ThreadStart*>(argument);
  next.free(argument);
  const RecordedThread recorded(start.stack);
  return start.routine(start.argument);
}

extern "C" {
#pragma GCC visibility push(default)

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*routine)(void*),
                   void* argument) noexcept {
  using namespace plateau::sampler;
  using Create = int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static Create* const create = reinterpret_cast<Create*>(::dlsym(RTLD_NEXT, "pthread_create"));
  const void* const caller = __builtin_return_address(0);
  if (!records_mappings_of(caller)) return create(thread, attributes, routine, argument);
  void* const memory = next.malloc(sizeof(ThreadStart));
  if (memory == nullptr) return EAGAIN;
  auto* const start = new (memory) ThreadStart{routine, argument, mapping_stack(caller)};
  const int error = create(thread, attributes, run_recorded_thread, start);
  if (error != 0) next.free(memory);
  return error;
}

#pragma GCC visibility pop
}
