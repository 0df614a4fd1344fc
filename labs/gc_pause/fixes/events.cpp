#include "labs/gc_pause/fixes/events.hpp"

#include <algorithm>

namespace plateau::gc_pause {
namespace {

// What the service adds to what came in.
template <class Event>
void fill(Event& event, const EventInput& input, const UserView& user) {
  event.name = input.name;
  event.time_us = input.time_us;
  for (std::size_t i = 0; i < input.attribute_count; ++i) {
    event.attributes.emplace(input.attributes[i].key, input.attributes[i].value);
  }
  event.attributes.emplace("user.locale", user.locale);
  event.attributes.emplace("user.mail", user.email);
}

}  // namespace

std::unique_ptr<HeapEvent> make_event_before(const EventInput& input, const UserView& user) {
  auto event = std::make_unique<HeapEvent>();
  fill(*event, input, user);
  return event;
}

EventRecycler::Handle make_event_after(const EventInput& input, const UserView& user, EventRecycler& recycler) {
  EventRecycler::Handle event = recycler.get();
  fill(*event, input, user);
  return event;
}

void AttributeMap::emplace(std::string_view key, std::string_view value) {
  if (size_ == entries_.size()) entries_.emplace_back();
  Entry& added = entries_[size_++];
  added.first.assign(key);
  added.second.assign(value);
  // Swapped to its place: strings keep what they have.
  for (std::size_t i = size_ - 1; i > 0 && entries_[i].first < entries_[i - 1].first; --i) {
    std::swap(entries_[i], entries_[i - 1]);
  }
}

std::size_t AttributeMap::capacity_bytes() const {
  std::size_t bytes = entries_.capacity() * sizeof(Entry);
  for (const Entry& entry : entries_) bytes += entry.first.capacity() + entry.second.capacity();
  return bytes;
}

}  // namespace plateau::gc_pause
