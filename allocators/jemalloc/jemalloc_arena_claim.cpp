#include "allocators/jemalloc/jemalloc_arena_claim.hpp"

#include <pthread.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <new>

#include "allocators/jemalloc/control.hpp"

namespace plateau {
namespace {

enum State : std::uint8_t { unannounced, alive, being_purged, ended };

constexpr unsigned most_arenas = jemalloc::all_arenas;
constinit std::array<std::atomic<std::uint8_t>, most_arenas> states{};

// The thread that was purging is not in the child.
void forget_purges() {
  for (auto& state : states) {
    if (state.load(std::memory_order_relaxed) == being_purged) state.store(alive, std::memory_order_relaxed);
  }
}

}  // namespace

void arena_made(unsigned index) {
  static const bool watched = ::pthread_atfork(nullptr, nullptr, forget_purges) == 0;
  if (!watched) throw std::bad_alloc();
  if (index < most_arenas) states[index].store(alive, std::memory_order_release);
}

void arena_ends(unsigned index) noexcept {
  if (index >= most_arenas) return;
  for (;;) {
    std::uint8_t expected = alive;
    if (states[index].compare_exchange_strong(expected, ended, std::memory_order_acq_rel)) return;
    if (expected != being_purged) return;
    states[index].wait(being_purged, std::memory_order_acquire);
  }
}

bool arena_may_be_purged(unsigned index) noexcept {
  return index < most_arenas && states[index].load(std::memory_order_relaxed) == alive;
}

bool arena_is_unannounced(unsigned index) noexcept {
  return index >= most_arenas || states[index].load(std::memory_order_relaxed) == unannounced;
}

ArenaClaim::ArenaClaim(unsigned index) noexcept : index_(index), holds_(false) {
  std::uint8_t expected = alive;
  holds_ =
      index < most_arenas && states[index].compare_exchange_strong(expected, being_purged, std::memory_order_acq_rel);
}

ArenaClaim::~ArenaClaim() {
  if (!holds_) return;
  states[index_].store(alive, std::memory_order_release);
  states[index_].notify_all();
}

}  // namespace plateau
