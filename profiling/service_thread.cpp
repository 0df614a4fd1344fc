#include "profiling/service_thread.hpp"

#include <pthread.h>

#include <initializer_list>

#include "profiling/heap_profiler.hpp"

namespace plateau {

SignalsForOthers::SignalsForOthers() {
  sigset_t signals;
  ::sigfillset(&signals);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS}) ::sigdelset(&signals, fault);
  ::pthread_sigmask(SIG_BLOCK, &signals, &before_);
}

SignalsForOthers::~SignalsForOthers() {
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void become_service_thread(const char* name) {
  ::pthread_setname_np(::pthread_self(), name);
  HeapProfiler::exclude_this_thread();
}

}  // namespace plateau
