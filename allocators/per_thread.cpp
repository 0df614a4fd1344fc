#include "allocators/per_thread.hpp"

#include <algorithm>
#include <cstdlib>

namespace plateau {
namespace {

// Never destroyed: threads end, and objects with values for them die, in any order at the end of a process.
constinit std::mutex registry_mutex;
constinit std::vector<PerThreadRegistration*>* registered = nullptr;  // by index; null where one is free
constinit std::uint64_t last_id = 0;                                  // of a registration; 0 is none's

}  // namespace

struct PerThreadRegistration::ThreadEnd {
  ~ThreadEnd() { end_thread(); }
};

PerThreadRegistration::PerThreadRegistration() {
  const std::scoped_lock lock(registry_mutex);
  if (registered == nullptr) registered = new std::vector<PerThreadRegistration*>;
  const auto free_place = std::find(registered->begin(), registered->end(), nullptr);
  index_ = static_cast<std::size_t>(free_place - registered->begin());
  if (free_place == registered->end()) {
    registered->push_back(this);
  } else {
    *free_place = this;
  }
  id_ = ++last_id;
}

void PerThreadRegistration::unregister() noexcept {
  const std::scoped_lock lock(registry_mutex);
  if (is_unregistered()) return;
  (*registered)[index_] = nullptr;
  id_ = unregistered_id;
}

void* PerThreadRegistration::find_among_all() const noexcept {
  if (index_ >= slots_.count || slots_.begin[index_].id != id_) return nullptr;
  slots_.last = slots_.begin[index_];
  return slots_.last.value;
}

bool PerThreadRegistration::enter(void* value) noexcept {
  if (slots_.ended) return false;
  if (index_ >= slots_.count) {
    const std::size_t count = std::max<std::size_t>(2 * slots_.count, index_ + 8);
    auto* const grown = static_cast<Slot*>(std::realloc(slots_.begin, count * sizeof(Slot)));
    if (grown == nullptr) return false;
    std::fill(grown + slots_.count, grown + count, Slot{no_id, nullptr});
    slots_.begin = grown;
    slots_.count = count;
  }
  slots_.begin[index_] = {id_, value};
  static thread_local ThreadEnd at_end;
  static_cast<void>(at_end);
  return true;
}

void PerThreadRegistration::end_thread() noexcept {
  const std::scoped_lock lock(registry_mutex);
  for (std::size_t i = 0; i < std::min(slots_.count, registered->size()); ++i) {
    PerThreadRegistration* const owner = (*registered)[i];
    if (owner != nullptr && owner->id_ == slots_.begin[i].id) owner->thread_ended(slots_.begin[i].value);
  }
  std::free(slots_.begin);
  slots_ = {{no_id, nullptr}, nullptr, 0, true};
}

}  // namespace plateau
