#include "labs/gc_pause/lane.hpp"

#include <xxhash.h>

#include <memory>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "labs/gc_pause/fixes/values.hpp"
#include "labs/harness/load/random.hpp"
#include "labs/harness/measure/stall_meter.hpp"

namespace plateau::gc_pause {
using harness::SplitMix64;

namespace {

constexpr std::size_t teardown_threads = 4;  // of the wrong fix `more-threads`

std::uint64_t hash(std::string_view text, std::uint64_t seed) {
  return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}

}  // namespace

void fill_generation(Generation& generation, const RequestStream& stream, std::uint64_t requests) {
  Request request;
  for (std::uint64_t i = 0; i < requests; ++i) {
    stream.read(i * lanes, request);
    const User user = create_user_after(request.user);
    Session& session = generation.session_of(view(user), request.user.page);
    for (const EventInput& input : request.events) generation.keep(session, *make_event_before(input, view(user)));
  }
}

Lane::Lane(const RequestStream& stream, const Fixes& fixes, EventRecycler& events, std::pmr::memory_resource* heap,
           Timeline* timeline)
    : stream_(stream), fixes_(fixes), events_(events), heap_(heap), timeline_(timeline) {}

Lane::Lane(const RequestStream& stream, const Fixes& fixes, EventRecycler& events, CollectedHeap& heap,
           Timeline* timeline)
    : Lane(stream, fixes, events, static_cast<std::pmr::memory_resource*>(&heap), timeline) {
  collected_ = true;
  heap.add_roots(slots_.data(), sizeof slots_);
}

Lane::~Lane() {
  for (GenerationSlot& slot : slots_) {
    if (slot.generation != nullptr) expire(slot);
  }
}

void Lane::handle(std::uint64_t index) {
  const std::uint64_t number = stream_.generation_of(index);
  if (number != current_) begin_generation(number);
  stream_.read(index, request_);

  std::unique_ptr<HeapUser> on_heap;
  User on_stack;
  if (fixes_.values) {
    on_stack = create_user_after(request_.user);
  } else {
    on_heap = create_user_before(request_.user);
  }
  const UserView user = fixes_.values ? view(on_stack) : view(*on_heap);

  Session& session = slot_of(number).generation->session_of(user, request_.user.page);
  for (const EventInput& input : request_.events) {
    if (fixes_.events) {
      log(session, *make_event_after(input, user, events_));
    } else {
      log(session, *make_event_before(input, user));
    }
  }
  digest_ = SplitMix64::mix(digest_ ^ user.id ^ user.role_count << 56);
  read_session(request_, number);
}

template <class Event>
void Lane::log(Session& session, const Event& event) {
  std::uint64_t line = hash(event.name, event.time_us);
  for (const auto& [key, value] : event.attributes) line = hash(value, hash(key, line));
  digest_ = SplitMix64::mix(digest_ ^ line);
  slot_of(current_).generation->keep(session, event);
}

void Lane::read_session(const Request& request, std::uint64_t current) {
  if (request.read_age == 0) return;
  const Session* const session = slot_of(current - request.read_age).generation->find(request.read_user);
  if (session == nullptr) throw std::logic_error("a session of a live generation is missing");
  std::uint64_t seen = hash(session->email, session->id);
  seen = hash(std::string_view(session->page).substr(0, 1024), seen);
  for (const KeptEvent* event = session->newest; event != nullptr; event = event->older) {
    seen = hash(event->name, seen ^ event->time_us);
    for (const auto& [key, value] : event->attributes) seen = hash(value, hash(key, seen));
  }
  digest_ = SplitMix64::mix(digest_ ^ seen);
}

void Lane::begin_generation(std::uint64_t number) {
  GenerationSlot& slot = slot_of(number);
  if (slot.generation != nullptr) {
    const harness::TeardownTimer timer(timeline_);
    expire(slot);
    if (timeline_ != nullptr) timeline_->instant("generation", "generations", {{"begun", static_cast<double>(number)}});
  }
  const std::uint64_t sessions = stream_.requests_per_generation() / lanes / requests_per_session + 1;
  fixes_.generations ? begin_generation_after(slot, sessions) : begin_generation_before(slot, heap_, sessions);
  current_ = number;
}

void Lane::expire(GenerationSlot& slot) {
  if (slot.in_arena) {
    expire_after(slot);
  } else if (collected_) {
    slot.generation = nullptr;  // the collector finds out that nobody points to it any more
  } else {
    if (fixes_.more_threads) slot.generation->take_apart_with(teardown_threads);
    expire_before(slot, heap_);
  }
}

std::uint64_t Lane::take_digest() {
  return std::exchange(digest_, 0);
}

std::size_t Lane::slack_bytes() const {
  std::size_t bytes = 0;
  for (const GenerationSlot& slot : slots_) bytes += slot.arena.statistics().slack_bytes();
  return bytes;
}

}  // namespace plateau::gc_pause
