#include "allocators/thread_cache_flush.hpp"

#include "allocators/heap.hpp"

namespace plateau {

void ask_threads_to_flush() noexcept {
  thread_cache_flush::asked.fetch_add(1, std::memory_order_relaxed);
}

bool thread_cache_flush::answer() noexcept {
  answered = asked.load(std::memory_order_relaxed);
  return Heap::process().flush_thread_cache().done;
}

}  // namespace plateau
