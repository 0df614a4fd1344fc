// PurgeTrace: times every call by which jemalloc gives pages back to the kernel, and says which thread paid.
//
//   plateau::PurgeTrace::start();
//   plateau::PurgeTrace::Reader reader;
//   reader.read([](const plateau::PurgeEvent& event) { … });
//
// The calls are seen through extent hooks that stand in front of those that every arena has. What that changes: calls
// of the kernel by jemalloc go through a pointer and two clock readings, and a calloc of a large block that jemalloc
// had in use before is cleared by memset instead of by the kernel. `make bench-purge-trace` measures the cost.
//
// A limit of jemalloc 5.3.0, with extent hooks of any kind: a thread whose very first call of it is a free that purges
// (a slab's last block, with dirty_decay_ms:0) waits for itself for ever, since jemalloc then completes the thread's
// own data while it holds the arena's lock. Threads that have allocated once are safe. So nothing in this project turns
// the trace on without being asked.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "allocators/event_ring.hpp"
#include "allocators/heap.hpp"
#include "allocators/purge_bursts.hpp"

namespace plateau {

// Called inside jemalloc, with locks of an arena held: must not allocate, free, lock or throw.
using PurgeObserver = void(const PurgeEvent& event) noexcept;

// Since the first start. Exact, whether anybody reads the events or not.
struct PurgeTotals {
  std::uint64_t calls = 0;
  std::uint64_t bytes = 0;
  std::uint64_t wall_ns = 0;
  std::uint64_t cpu_ns = 0;
};
struct PurgeTraceTotals {
  PurgeTotals request_threads;  // threads of the program
  PurgeTotals background;
};

// One per process. Thread-safe.
class PurgeTrace {
 public:
  // Puts the hooks in front of every arena, and starts a thread that finds arenas made later, within 20 ms
  // (JemallocArena reports its own at once). Started already: does nothing. Fails, with the reason, where jemalloc is
  // not loaded, or where its huge page allocator is on (`hpa:true`), which hooks would turn off.
  // Throws std::bad_alloc and std::system_error when there is no memory or no thread to be had.
  static HeapReply start();
  // Gives every arena the hooks back that it had. Totals, and events not yet read, stay.
  static void stop();
  static bool running();

  // Puts the hooks in front of arenas that were made since. Returns how many there were. Two to three
  // calls of mallctl an arena; waits for an arena that is just being purged by a background thread. Not running: does
  // nothing.
  static std::size_t cover_new_arenas();
  // The same for one arena, which nobody uses yet.
  static void cover_arena(unsigned index);

  static PurgeTraceTotals totals();
  // Of the calling thread.
  static PurgeTotals totals_of_this_thread() noexcept;

  // Called for every event, by the thread that purged; null for none. One for the process.
  static void set_observer(PurgeObserver* observer);
  // For threads that purge in a program's name, as jemalloc's own background threads do: what the calling thread does
  // from now on is no pause of a request.
  static void this_thread_is_background() noexcept;

  // What the program aims at, for those who print it: bytes in unused pages that are kept on purpose. Empty: jemalloc's
  // decay is all there is. A RetentionPolicy that nobody but itself purges for sets it as it goes.
  static void set_goal(std::optional<std::uint64_t> dirty_bytes);
  static std::optional<std::uint64_t> goal();

  // The last 65,536 events are kept.
  static constexpr std::size_t kept_events = std::size_t{1} << 16;

  // Sees every event that was recorded after it was made; as many readers as one likes, each at its own pace. One
  // thread at a time each.
  class Reader {
   public:
    Reader();
    // Calls visit(event) for each event since the last call; those of one thread are in order.
    template <class Visit>
    std::size_t read(Visit visit) {
      return events_.read(visit);
    }
    // Events that came and went between two calls.
    std::uint64_t lost() const { return events_.lost(); }

   private:
    EventRing<PurgeEvent>::Reader events_;
  };
};

}  // namespace plateau
