#include "allocators/signals_for_others.hpp"

#include <pthread.h>

#include <initializer_list>

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

}  // namespace plateau
