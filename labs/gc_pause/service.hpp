// The event service: creates the user of a request, logs its events, keeps them in the user's session, and reads
// another session. Sessions live in generations, the oldest of which expires when a new one begins. Every fix is chosen
// here and implemented elsewhere.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory_resource>
#include <optional>
#include <string_view>

#include "labs/gc_pause/calibration.hpp"
#include "labs/gc_pause/fixes/events.hpp"
#include "labs/gc_pause/fixes/generations.hpp"
#include "labs/gc_pause/request.hpp"
#include "labs/harness/arm_child.hpp"

namespace plateau::gc_pause {

struct ServiceOptions {
  bool values = false;
  bool events = false;
  bool generations = false;
  bool decay = false;
  std::optional<std::uint64_t> soft_limit = std::nullopt;  // of the fix `limit`
  bool more_threads = false;  // a wrong fix: several threads take an expired generation apart
  bool trim_often = false;    // a wrong fix: the heap is purged ten times a second
  bool decay_never = false;   // a wrong fix: from when the heap is filled, no unused page is given back
  bool collected = false;     // the reference: sessions on a garbage collector's heap
};

ServiceOptions service_options(const harness::ArmSpec& spec);

// Keeps what the first `requests` requests of lane 0 bring, as the service does.
void fill_generation(Generation& generation, const RequestStream& stream, std::uint64_t requests);

// One partition of the stream. Used by one worker at a time.
class Lane {
 public:
  // Without the fix `generations`, sessions come from `heap`: the collected one, if they are `collected`. Expiries are
  // put on `timeline`, if there is one.
  Lane(const RequestStream& stream, const ServiceOptions& options, EventRecycler& events,
       std::pmr::memory_resource* heap, Timeline* timeline);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // Request `index` of the stream. The first of a new generation begins it, and waits while the oldest expires.
  void handle(std::uint64_t index);
  // Between two requests. Generations that live already stay as they were begun.
  void switch_fixes(const ServiceOptions& options) { options_ = options; }
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
  ServiceOptions options_;
  EventRecycler& events_;
  std::pmr::memory_resource* const heap_;
  Timeline* const timeline_;
  std::array<GenerationSlot, generations> slots_;
  std::uint64_t current_ = UINT64_MAX;
  Request request_;
  std::uint64_t digest_ = 0;
};

// Fills the heap, then serves the requests of an arm on its worker threads, and ends the process when the last is done.
[[noreturn]] void run_service(harness::ArmContext& context, const RequestStream& stream, const ServiceOptions& options);

inline constexpr std::array<std::string_view, 8> service_gauges{
    "purge calls of request threads",  "purge ms of request threads",
    "purge CPU ms of request threads", "purge calls in the background",
    "purge CPU ms in the background",  "purge bursts of request threads",
    "predicted teardown ms",           "predicted purge ms"};
enum GaugeIndex : std::size_t {
  gauge_purge_calls,
  gauge_purge_ms,
  gauge_purge_cpu_ms,
  gauge_background_calls,
  gauge_background_cpu_ms,
  gauge_purge_bursts,
  gauge_predicted_teardown,
  gauge_predicted_purge
};

}  // namespace plateau::gc_pause
