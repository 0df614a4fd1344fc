// Whether service threads are at work, which a forked child must know.
#pragma once

#include <atomic>

namespace plateau {

// While it lives, the calling thread may hold locks of libraries that know nothing of fork(): a child that is forked
// meanwhile never sees them released. Async-signal-safe.
class ServiceWork {
 public:
  ServiceWork() noexcept { under_way_.fetch_add(1, std::memory_order_relaxed); }
  ~ServiceWork() { under_way_.fetch_sub(1, std::memory_order_relaxed); }
  ServiceWork(const ServiceWork&) = delete;
  ServiceWork& operator=(const ServiceWork&) = delete;

  // In a child: whether there was some when it was forked.
  static bool is_under_way() noexcept { return under_way_.load(std::memory_order_relaxed) > 0; }

 private:
  static inline constinit std::atomic<int> under_way_{0};
};

}  // namespace plateau
