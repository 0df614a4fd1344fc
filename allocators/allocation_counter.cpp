#include "allocators/allocation_counter.hpp"

#include <malloc.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace plateau {
namespace {

constexpr std::size_t slot_count = 256;
constexpr std::size_t shared_slot = slot_count - 1;
constexpr std::size_t no_slot = slot_count;

struct alignas(64) Slot {
  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> freed_bytes{0};
  std::atomic<std::uint64_t> unsized_deletes{0};
  std::atomic<std::int64_t> unsettled{0};  // gained or lost since the slot last told the process's balance
  std::atomic<bool> taken{false};
};

// Constant-initialised: operator new runs before any constructor.
constinit std::array<Slot, slot_count> slots{};
constinit thread_local std::size_t thread_slot = no_slot;

// The process's live bytes and their peak, of what slots have told. A slot tells seldom, or all threads would write to
// this line at every call.
constexpr std::int64_t settle_bytes = 64 * 1024;
alignas(64) constinit std::atomic<std::int64_t> settled{0};
constinit std::atomic<std::int64_t> settled_peak{0};

void settle(std::int64_t difference) {
  const std::int64_t now = settled.fetch_add(difference, std::memory_order_relaxed) + difference;
  std::int64_t peak = settled_peak.load(std::memory_order_relaxed);
  while (peak < now && !settled_peak.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
}

// Gives the slot back when its thread ends. Its counts stay in it, so that sums over all slots stay right.
struct SlotReturn {
  ~SlotReturn() {
    if (thread_slot < shared_slot) slots[thread_slot].taken.store(false, std::memory_order_release);
    thread_slot = shared_slot;
  }
};

[[gnu::noinline]] std::size_t take_slot() {
  for (std::size_t i = 0; i < shared_slot; ++i) {
    if (!slots[i].taken.exchange(true, std::memory_order_acquire)) {
      thread_slot = i;
      // Registers a destructor with the C++ runtime, which takes its record from calloc and not from operator new.
      static thread_local SlotReturn on_exit;
      static_cast<void>(on_exit);
      return i;
    }
  }
  thread_slot = shared_slot;
  return shared_slot;
}

Slot& own_slot() {
  return slots[thread_slot != no_slot ? thread_slot : take_slot()];
}

// A slot of one thread needs no atomic read-modify-write; the shared one does.
void add(const Slot& slot, std::atomic<std::uint64_t>& counter, std::uint64_t amount) {
  if (&slot == &slots[shared_slot]) {
    counter.fetch_add(amount, std::memory_order_relaxed);
  } else {
    counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
}

void balance(Slot& slot, std::int64_t difference) {
  if (&slot == &slots[shared_slot]) return settle(difference);
  const std::int64_t unsettled = slot.unsettled.load(std::memory_order_relaxed) + difference;
  const bool tell = unsettled > settle_bytes || unsettled < -settle_bytes;
  slot.unsettled.store(tell ? 0 : unsettled, std::memory_order_relaxed);
  if (tell) settle(unsettled);
}

AllocationCounts read(const Slot& slot) {
  return {slot.calls.load(std::memory_order_relaxed), slot.bytes.load(std::memory_order_relaxed),
          slot.freed_bytes.load(std::memory_order_relaxed), slot.unsized_deletes.load(std::memory_order_relaxed), 0};
}

void count_new(std::size_t bytes) {
  Slot& slot = own_slot();
  add(slot, slot.calls, 1);
  add(slot, slot.bytes, bytes);
  balance(slot, static_cast<std::int64_t>(bytes));
}

void count_delete(std::size_t bytes) {
  Slot& slot = own_slot();
  add(slot, slot.freed_bytes, bytes);
  balance(slot, -static_cast<std::int64_t>(bytes));
}

void count_unsized_delete(void* block) {
  Slot& slot = own_slot();
  const std::size_t bytes = malloc_usable_size(block);
  add(slot, slot.freed_bytes, bytes);
  add(slot, slot.unsized_deletes, 1);
  balance(slot, -static_cast<std::int64_t>(bytes));
}

// As [new.delete.single] asks: on failure the new handler is called until it gives up.
// Inlined down to here, so that the innermost frame of a heap profile is `operator new`, which pprof knows to leave
// out.
template <class Take>
[[gnu::always_inline]] inline void* take_or_throw(std::size_t bytes, Take take) {
  for (;;) {
    if (void* const block = take()) {
      count_new(bytes);
      return block;
    }
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

[[gnu::always_inline]] inline void* allocate(std::size_t bytes) {
  return take_or_throw(bytes, [bytes] { return std::malloc(std::max<std::size_t>(bytes, 1)); });
}

[[gnu::always_inline]] inline void* allocate(std::size_t bytes, std::align_val_t alignment) {
  return take_or_throw(bytes, [bytes, alignment]() -> void* {
    void* block = nullptr;
    const auto align = std::max(static_cast<std::size_t>(alignment), sizeof(void*));
    return posix_memalign(&block, align, std::max<std::size_t>(bytes, 1)) == 0 ? block : nullptr;
  });
}

template <class Take>
void* null_on_failure(Take take) noexcept {
  try {
    return take();
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void release(void* block) {
  if (block == nullptr) return;
  count_unsized_delete(block);
  std::free(block);
}

void release(void* block, std::size_t bytes) {
  if (block == nullptr) return;
  count_delete(bytes);
  std::free(block);
}

}  // namespace

AllocationCounts allocation_counts() {
  AllocationCounts sum;
  for (const Slot& slot : slots) {
    const AllocationCounts one = read(slot);
    sum.calls += one.calls;
    sum.bytes += one.bytes;
    sum.freed_bytes += one.freed_bytes;
    sum.unsized_deletes += one.unsized_deletes;
  }
  const std::int64_t peak = settled_peak.load(std::memory_order_relaxed);
  sum.peak_bytes = std::max(static_cast<std::uint64_t>(std::max<std::int64_t>(peak, 0)), sum.live_bytes());
  return sum;
}

AllocationCounts thread_allocation_counts() {
  return read(own_slot());
}

}  // namespace plateau

// Every form is replaced, also those that the standard library would send here by itself: a preloaded allocator brings
// replacements of its own, and they would stand between.
void* operator new(std::size_t bytes) {
  return plateau::allocate(bytes);
}
void* operator new[](std::size_t bytes) {
  return plateau::allocate(bytes);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return plateau::allocate(bytes, alignment);
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return plateau::allocate(bytes, alignment);
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return plateau::null_on_failure([bytes] { return plateau::allocate(bytes); });
}
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
  return plateau::null_on_failure([bytes] { return plateau::allocate(bytes); });
}
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return plateau::null_on_failure([=] { return plateau::allocate(bytes, alignment); });
}
void* operator new[](std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return plateau::null_on_failure([=] { return plateau::allocate(bytes, alignment); });
}

void operator delete(void* block) noexcept {
  plateau::release(block);
}
void operator delete[](void* block) noexcept {
  plateau::release(block);
}
void operator delete(void* block, std::size_t bytes) noexcept {
  plateau::release(block, bytes);
}
void operator delete[](void* block, std::size_t bytes) noexcept {
  plateau::release(block, bytes);
}
void operator delete(void* block, std::align_val_t) noexcept {
  plateau::release(block);
}
void operator delete[](void* block, std::align_val_t) noexcept {
  plateau::release(block);
}
void operator delete(void* block, std::size_t bytes, std::align_val_t) noexcept {
  plateau::release(block, bytes);
}
void operator delete[](void* block, std::size_t bytes, std::align_val_t) noexcept {
  plateau::release(block, bytes);
}
void operator delete(void* block, const std::nothrow_t&) noexcept {
  plateau::release(block);
}
void operator delete[](void* block, const std::nothrow_t&) noexcept {
  plateau::release(block);
}
void operator delete(void* block, std::align_val_t, const std::nothrow_t&) noexcept {
  plateau::release(block);
}
void operator delete[](void* block, std::align_val_t, const std::nothrow_t&) noexcept {
  plateau::release(block);
}
