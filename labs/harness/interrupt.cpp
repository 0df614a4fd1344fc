#include "labs/harness/interrupt.hpp"

#include <signal.h>

#include <atomic>

namespace plateau::harness {
namespace {

std::atomic<int> signal_seen{0};
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void note_signal(int number) {
  signal_seen.store(number, std::memory_order_relaxed);
}

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = note_signal;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() noexcept {
  return interrupting_signal() != 0;
}

int interrupting_signal() noexcept {
  return signal_seen.load(std::memory_order_relaxed);
}

}  // namespace plateau::harness
