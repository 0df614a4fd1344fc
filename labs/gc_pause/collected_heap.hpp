// The reference of the case: a heap on a real tracing collector (Boehm, Demers and Weiser's, libgc), so that the pause
// of a garbage collector is seen beside the one that C++ makes. Sessions are dropped, not taken apart; the collector
// stops every thread that is registered here, marks what is reachable, and frees the rest.
#pragma once

#include <cstddef>
#include <memory_resource>

#include "profiling/timeline.hpp"

namespace plateau::gc_pause {

// Thread-safe, for threads that hold a Registration. Deallocation does nothing: memory is the collector's.
class CollectedHeap final : public std::pmr::memory_resource {
 public:
  // Starts the collector, once a process, in its main thread. From then on each collection is a line on standard error,
  // taken from the collector's own events; its stop of the world goes to StallMeter, and onto `timeline` if there is
  // one:
  //   gc 3 @12.301s: world stopped 184 ms, heap 2871 MB, thread 4711
  static CollectedHeap& start(Timeline* timeline);

  // Memory outside of the collected heap that may point into it, for as long as the process lives.
  void add_roots(void* begin, std::size_t bytes);

  // The stack and the registers of this thread are looked through, and it is stopped for that.
  class Registration {
   public:
    Registration();
    ~Registration();
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
  };

 private:
  CollectedHeap() = default;
  // A block aligned to less than a pointer is taken for text, which the collector need not look through.
  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void* /*block*/, std::size_t /*bytes*/, std::size_t /*alignment*/) override {}
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }
};

}  // namespace plateau::gc_pause
