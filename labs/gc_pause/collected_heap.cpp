#include "labs/gc_pause/collected_heap.hpp"

#include <fmt/format.h>
#define GC_THREADS
#include <gc/gc.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <new>
#include <optional>
#include <system_error>

#include "labs/harness/measure/stall_meter.hpp"

namespace plateau::gc_pause {
namespace {

// The collector calls with its lock held, all events of a collection on one thread.
struct State {
  Timeline* timeline = nullptr;
  std::chrono::steady_clock::time_point started;
  std::uint64_t collections = 0;
  std::optional<harness::CollectorTimer> stop;
};
State state;

void print_line(std::chrono::steady_clock::time_point begin, std::chrono::steady_clock::time_point end) {
  using Milliseconds = std::chrono::duration<double, std::milli>;
  GC_prof_stats_s statistics{};
  GC_get_prof_stats_unsafe(&statistics, sizeof statistics);  // safe while the collector's lock is held
  fmt::print(stderr, "gc {} @{:.3f}s: world stopped {:.3g} ms, heap {:.0f} MB, thread {}\n", state.collections,
             Milliseconds(begin - state.started).count() / 1e3, Milliseconds(end - begin).count(),
             static_cast<double>(statistics.heapsize_full) / 1e6, ::syscall(SYS_gettid));
}

void GC_CALLBACK on_event(GC_EventType event) {
  if (event == GC_EVENT_PRE_STOP_WORLD) {
    state.stop.emplace(state.timeline);
  } else if (event == GC_EVENT_POST_START_WORLD && state.stop) {
    const auto begin = state.stop->begin();
    state.stop.reset();
    ++state.collections;
    print_line(begin, std::chrono::steady_clock::now());
  }
}

}  // namespace

CollectedHeap& CollectedHeap::start(Timeline* timeline) {
  static CollectedHeap heap;
  state.timeline = timeline;
  state.started = std::chrono::steady_clock::now();
  GC_INIT();
  GC_allow_register_threads();
  GC_set_on_collection_event(on_event);
  return heap;
}

void CollectedHeap::add_roots(void* begin, std::size_t bytes) {
  GC_add_roots(begin, static_cast<char*>(begin) + bytes);
}

CollectedHeap::Registration::Registration() {
  GC_stack_base base{};
  if (GC_get_stack_base(&base) != GC_SUCCESS || GC_register_my_thread(&base) != GC_SUCCESS) {
    throw std::system_error(EAGAIN, std::generic_category(), "the collector cannot register a thread");
  }
}

CollectedHeap::Registration::~Registration() {
  GC_unregister_my_thread();
}

void* CollectedHeap::do_allocate(std::size_t bytes, std::size_t alignment) {
  constexpr std::size_t large = 100 * 1024;  // from there libgc asks for pointers near the beginning only
  if (alignment > 2 * sizeof(void*)) throw std::bad_alloc();  // the collector's blocks are aligned to that
  const bool text = alignment < alignof(void*);
  void* const block = bytes < large
                          ? (text ? GC_malloc_atomic(bytes) : GC_malloc(bytes))
                          : (text ? GC_malloc_atomic_ignore_off_page(bytes) : GC_malloc_ignore_off_page(bytes));
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

}  // namespace plateau::gc_pause
