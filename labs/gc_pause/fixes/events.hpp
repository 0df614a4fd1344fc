// The fix `events`: an event while it is handled, with its attribute map. Before: made anew on the heap for each.
// After: recycled, its map cleared and used again.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "allocators/recycler.hpp"
#include "labs/gc_pause/fixes/values.hpp"
#include "labs/gc_pause/request.hpp"

namespace plateau::gc_pause {

struct HeapEvent {
  std::string name;
  std::uint64_t time_us = 0;
  std::map<std::string, std::string, std::less<>> attributes;
};

// Attributes in the order of their keys. `clear` keeps the strings and their capacity for the next event.
class AttributeMap {
 public:
  struct Entry {
    std::string first;
    std::string second;
  };

  AttributeMap() { entries_.reserve(room_for_attributes); }
  // The keys of an event differ.
  void emplace(std::string_view key, std::string_view value);
  void clear() { size_ = 0; }
  std::size_t size() const { return size_; }
  const Entry* begin() const { return entries_.data(); }
  const Entry* end() const { return entries_.data() + size_; }
  std::size_t capacity_bytes() const;

 private:
  std::vector<Entry> entries_;
  std::size_t size_ = 0;
};

struct ReusedEvent {
  std::string name;
  std::uint64_t time_us = 0;
  AttributeMap attributes;
};

}  // namespace plateau::gc_pause

template <>
struct plateau::RecyclerTraits<plateau::gc_pause::ReusedEvent> {
  static std::size_t size_bytes(const gc_pause::ReusedEvent& event) noexcept {
    return sizeof(event) + event.name.capacity() + event.attributes.capacity_bytes();
  }
  static void reset(gc_pause::ReusedEvent& event) noexcept { event.attributes.clear(); }
};

namespace plateau::gc_pause {

using EventRecycler = Recycler<ReusedEvent>;

std::unique_ptr<HeapEvent> make_event_before(const EventInput& input, const UserView& user);
EventRecycler::Handle make_event_after(const EventInput& input, const UserView& user, EventRecycler& recycler);

}  // namespace plateau::gc_pause
