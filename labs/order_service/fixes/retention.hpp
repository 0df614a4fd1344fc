// Fix "retention": how long pages that nobody uses are kept, and by whom they are given back.
#pragma once

#include <chrono>
#include <optional>

#include "allocators/retention.hpp"

namespace plateau::order_service {

struct PageRetention {
  std::chrono::milliseconds dirty_decay{};
  bool background_thread = false;
  std::optional<RetentionOptions> policy = std::nullopt;  // of the process, beside the allocator's decay
};

// jemalloc's defaults: decay ticks only when an arena is used, so those of idle workers keep their pages.
inline PageRetention retention_before() {
  return {.dirty_decay = std::chrono::seconds(10)};
}

// Decay is still the allocator's, on threads of its own; the policy holds a soft limit below the kernel's.
inline PageRetention retention_after() {
  return {.dirty_decay = std::chrono::seconds(1),
          .background_thread = true,
          .policy = RetentionOptions{.retain_percent = std::nullopt}};
}

}  // namespace plateau::order_service
