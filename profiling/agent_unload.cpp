// A program that unloads a plugin takes the names away from what the plugin allocated: the agent takes note before.
#include <dlfcn.h>

#include <atomic>

#include "profiling/symbols/mapping_history.hpp"

namespace {

using Close = int(void*);

Close* next_close() noexcept {
  static constinit std::atomic<Close*> next{nullptr};
  Close* known = next.load(std::memory_order_relaxed);
  if (known == nullptr) {
    known = reinterpret_cast<Close*>(::dlsym(RTLD_NEXT, "dlclose"));
    next.store(known, std::memory_order_relaxed);
  }
  return known;
}

}  // namespace

extern "C" {
#pragma GCC visibility push(default)

int dlclose(void* handle) noexcept {
  plateau::remember_linked_code();
  Close* const next = next_close();
  return next != nullptr ? next(handle) : -1;
}

#pragma GCC visibility pop
}
