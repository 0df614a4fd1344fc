// The function behind one that the agent stands in front of.
#pragma once

#include <dlfcn.h>

#include <atomic>

namespace plateau {

// Looked up once; a program may call it where the dynamic linker must not be asked.
template <class Function>
class NextFunction {
 public:
  explicit constexpr NextFunction(const char* name) : name_(name) {}

  // Null when there is none. Thread-safe.
  Function* look_up() noexcept {
    Function* known = function_.load(std::memory_order_relaxed);
    if (known == nullptr) {
      known = reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name_));
      function_.store(known, std::memory_order_relaxed);
    }
    return known;
  }

 private:
  const char* name_;
  std::atomic<Function*> function_{nullptr};
};

}  // namespace plateau
