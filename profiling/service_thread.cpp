#include "profiling/service_thread.hpp"

#include <pthread.h>

#include <cstddef>
#include <initializer_list>

#include "allocators/runtime_symbol.hpp"

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
  using Mallctl = int(const char*, void*, std::size_t*, void*, std::size_t);
  if (auto* const mallctl = runtime_symbol<Mallctl>("mallctl")) {
    bool recorded = false;
    mallctl("thread.prof.active", nullptr, nullptr, &recorded, sizeof recorded);  // fails without prof:true: no matter
  }
}

}  // namespace plateau
