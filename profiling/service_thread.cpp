#include "profiling/service_thread.hpp"

#include <pthread.h>

#include "profiling/heap_profiler.hpp"

namespace plateau {

void become_service_thread(const char* name) {
  ::pthread_setname_np(::pthread_self(), name);
  HeapProfiler::exclude_this_thread();
}

}  // namespace plateau
