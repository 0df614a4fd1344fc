// Thread caches of malloc hold blocks that no purge reaches, and a cache can be emptied by its own thread only. So
// threads are asked, and answer where it suits them.
#pragma once

#include <atomic>
#include <cstdint>

namespace plateau {

// Asks every thread of the process to flush its cache at its next flush_if_asked(). Does not wait. Thread-safe.
void ask_threads_to_flush() noexcept;

namespace thread_cache_flush {
inline constinit std::atomic<std::uint64_t> asked{0};      // times
inline constinit thread_local std::uint64_t answered = 0;  // the last one that this thread has answered
bool answer() noexcept;
}  // namespace thread_cache_flush

// Call it now and then on every thread that allocates: after a request, say, or before it goes to sleep. True when the
// thread was asked and has flushed its cache of malloc. Costs two loads when not asked, and the flush (tens of
// microseconds) when asked. Allocates nothing. Where the allocator cannot flush (glibc) it does nothing.
inline bool flush_if_asked() noexcept {
  if (thread_cache_flush::asked.load(std::memory_order_relaxed) == thread_cache_flush::answered) [[likely]]
    return false;
  return thread_cache_flush::answer();
}

}  // namespace plateau
