// EventRing: the last events of many threads, for readers that each go at their own pace.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "allocators/page_resource.hpp"

namespace plateau {

// Bounded: the newest event takes the place of the oldest, whether it was read or not, and every reader counts what it
// was too late for. Thread-safe.
template <class Event>
class EventRing {
  static_assert(std::is_trivially_copyable_v<Event>);

 public:
  // For `capacity` events, rounded up to a power of two. Address space is taken at once, and memory of a place when
  // the place is first written. Throws std::bad_alloc.
  explicit EventRing(std::size_t capacity)
      : mask_(std::bit_ceil(capacity) - 1),
        slots_(static_cast<Slot*>(pages_.allocate((mask_ + 1) * sizeof(Slot), alignof(Slot)))) {}
  ~EventRing() { pages_.deallocate(slots_, (mask_ + 1) * sizeof(Slot), alignof(Slot)); }
  EventRing(const EventRing&) = delete;
  EventRing& operator=(const EventRing&) = delete;

  std::size_t capacity() const { return mask_ + 1; }
  // Events so far, those included that were overwritten.
  std::uint64_t published() const { return next_.load(std::memory_order_acquire); }

  // Neither locks, nor waits, nor allocates. The event is given up, and counted as lost by readers, when another thread
  // was stopped in the middle of writing to its place for as long as it took the rest to fill all others.
  void publish(const Event& event) noexcept {
    const std::uint64_t ticket = next_.fetch_add(1, std::memory_order_acq_rel);
    Slot& slot = slots_[ticket & mask_];
    const std::atomic_ref state(slot.state);
    std::uint64_t seen = state.load(std::memory_order_relaxed);
    if (seen % 2 == 1 || seen > written(ticket) ||
        !state.compare_exchange_strong(seen, being_written(ticket), std::memory_order_acquire)) {
      std::atomic_ref(slot.given_up).store(ticket + 1, std::memory_order_release);
      return;
    }
    std::array<std::uint64_t, words> data{};
    std::memcpy(data.data(), &event, sizeof event);
    // Released one by one, so that none of them is seen before the state that announces them.
    for (std::size_t i = 0; i < words; ++i) std::atomic_ref(slot.data[i]).store(data[i], std::memory_order_release);
    state.store(written(ticket), std::memory_order_release);
  }

  // One thread at a time. Must not outlive the ring.
  class Reader {
   public:
    // Begins with the oldest event that is still there.
    explicit Reader(EventRing& ring) : ring_(&ring) {}

    // Leaves out all events up to now.
    void skip() { next_ = ring_->published(); }

    // Calls visit(event) for every event since the last call, in the order in which they were published, and returns
    // how many. Stops before an event that is just being written: it comes with the next call.
    template <class Visit>
    std::size_t read(Visit visit) {
      std::size_t count = 0;
      const std::uint64_t end = ring_->published();
      if (end - next_ > ring_->capacity()) pass_over(end - ring_->capacity() - next_);
      Event event;
      while (next_ != end) {
        const Found found = ring_->load(next_, event);
        if (found == Found::not_yet) break;
        if (found == Found::lost) {
          pass_over(1);
          continue;
        }
        ++next_;
        ++count;
        visit(static_cast<const Event&>(event));
      }
      return count;
    }
    // Events that this reader never saw.
    std::uint64_t lost() const { return lost_; }

   private:
    void pass_over(std::uint64_t count) {
      next_ += count;
      lost_ += count;
    }
    EventRing* ring_;
    std::uint64_t next_ = 0;
    std::uint64_t lost_ = 0;
  };

 private:
  static constexpr std::size_t words = (sizeof(Event) + 7) / 8;
  static constexpr std::uint64_t being_written(std::uint64_t ticket) { return 2 * ticket + 1; }
  static constexpr std::uint64_t written(std::uint64_t ticket) { return 2 * ticket + 2; }
  enum class Found { event, not_yet, lost };

  // Plain words, all zero at first, as the pages come from the kernel; every access is atomic.
  struct Slot {
    std::uint64_t state;     // 0: empty
    std::uint64_t given_up;  // 1 + the ticket whose event found the place taken
    std::array<std::uint64_t, words> data;
  };

  Found load(std::uint64_t ticket, Event& event) {
    Slot& slot = slots_[ticket & mask_];
    const std::atomic_ref state(slot.state);
    const std::uint64_t before = state.load(std::memory_order_acquire);
    if (before != written(ticket)) {
      const bool never = std::atomic_ref(slot.given_up).load(std::memory_order_acquire) == ticket + 1;
      return before > written(ticket) || never ? Found::lost : Found::not_yet;
    }
    std::array<std::uint64_t, words> data;
    for (std::size_t i = 0; i < words; ++i) data[i] = std::atomic_ref(slot.data[i]).load(std::memory_order_acquire);
    if (state.load(std::memory_order_relaxed) != before) return Found::lost;  // overwritten meanwhile
    std::memcpy(static_cast<void*>(&event), data.data(), sizeof event);
    return Found::event;
  }

  PageResource pages_;
  const std::size_t mask_;
  Slot* const slots_;
  alignas(64) std::atomic<std::uint64_t> next_{0};
};

}  // namespace plateau
