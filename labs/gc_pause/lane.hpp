// The core of the event service: creates the user of a request, logs its events, keeps them in the user's session, and
// reads another session. Sessions live in generations, the oldest of which expires when a new one begins. Every fix is
// chosen here and implemented elsewhere.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory_resource>

#include "labs/gc_pause/calibration.hpp"
#include "labs/gc_pause/collected_heap.hpp"
#include "labs/gc_pause/fixes.hpp"
#include "labs/gc_pause/fixes/events.hpp"
#include "labs/gc_pause/fixes/generations.hpp"
#include "labs/gc_pause/request.hpp"
#include "profiling/timeline.hpp"

namespace plateau::gc_pause {

// Keeps what the first `requests` requests of lane 0 bring, as the service does.
void fill_generation(Generation& generation, const RequestStream& stream, std::uint64_t requests);

// One partition of the stream. Used by one worker at a time.
class Lane {
 public:
  // Without the fix `generations`, sessions come from `heap`. Expiries are put on `timeline`, if there is one.
  Lane(const RequestStream& stream, const Fixes& fixes, EventRecycler& events, std::pmr::memory_resource* heap,
       Timeline* timeline);
  // Sessions come from the heap of a collector, which finds out by itself what nobody points to any more.
  Lane(const RequestStream& stream, const Fixes& fixes, EventRecycler& events, CollectedHeap& heap, Timeline* timeline);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // Request `index` of the stream. The first of a new generation begins it, and waits while the oldest expires.
  void handle(std::uint64_t index);
  // Between two requests. Generations that live already stay as they were begun.
  void switch_fixes(const Fixes& fixes) { fixes_ = fixes; }
  // Of the output since the last call.
  std::uint64_t take_digest();
  // Unused bytes in the arenas of generations.
  std::size_t slack_bytes() const;

 private:
  void begin_generation(std::uint64_t number);
  void expire(GenerationSlot& slot);
  GenerationSlot& slot_of(std::uint64_t number) { return slots_[number % generations]; }
  template <class Event>
  void log(Session& session, const Event& event);
  void read_session(const Request& request, std::uint64_t current);

  const RequestStream& stream_;
  Fixes fixes_;
  EventRecycler& events_;
  std::pmr::memory_resource* const heap_;
  bool collected_ = false;
  Timeline* const timeline_;
  std::array<GenerationSlot, generations> slots_;
  std::uint64_t current_ = UINT64_MAX;
  Request request_;
  std::uint64_t digest_ = 0;
};

}  // namespace plateau::gc_pause
