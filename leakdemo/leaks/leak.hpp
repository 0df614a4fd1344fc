// A leak of the demo: one way in which the memory of a real service grows, and its repair.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

namespace plateau::leakdemo {

// What a leak's file has two of: the fault, and below it the repair.
class Service {
 public:
  virtual ~Service() = default;
  // One operation of the service. They are numbered from 0, and every run does the same ones.
  virtual void operate(std::uint64_t operation) = 0;
};

enum class LeakKind {
  unreachable,   // no pointer leads to it any more
  reachable,     // held by something that never lets go
  outside_heap,  // mappings and stacks, which no malloc has given out
  no_leak,       // RSS grows, live memory does not; or the other way round
};

std::string_view to_string(LeakKind kind);

struct Leak {
  std::string_view name;
  std::string_view sentence;
  LeakKind kind;
  // What a detector has to name: a function (a part of its name will do) or, of what is no leak, the part of RSS.
  std::array<std::string_view, 2> place;
  std::uint64_t operations;           // of one run in the matrix
  std::uint64_t bytes_per_operation;  // that the fault leaves behind; of what is no leak: by which RSS grows
  std::string_view library = {};      // of the allocator that it needs; empty: any
  std::unique_ptr<Service> (*make)(bool fixed);

  bool names(std::string_view function) const {
    for (const std::string_view part : place) {
      if (!part.empty() && function.find(part) != std::string_view::npos) return true;
    }
    return false;
  }
};

template <class Fault, class Repair>
std::unique_ptr<Service> fault_or_repair(bool fixed) {
  if (fixed) return std::make_unique<Repair>();
  return std::make_unique<Fault>();
}

extern const Leak lost_pointer;
extern const Leak missing_virtual_destructor;
extern const Leak shared_ptr_cycle;
extern const Leak exception_before_delete;
extern const Leak untrimmed_container;
extern const Leak unbounded_cache;
extern const Leak map_by_request_id;
extern const Leak thread_local_cache;
extern const Leak detached_threads;
extern const Leak failed_realloc;
extern const Leak arena_never_reset;
extern const Leak pool_never_shrinks;
extern const Leak observer_never_removed;
extern const Leak recycled_capacity;
extern const Leak mmap_without_munmap;
extern const Leak dropped_jemalloc_arena;
extern const Leak fragmentation;
extern const Leak idle_pages;
extern const Leak unloaded_plugin;
extern const Leak growing_memfd;
extern const Leak thread_caches;
extern const Leak glibc_arenas;
extern const Leak untouched_blocks;

inline constexpr std::array all_leaks{
    &lost_pointer,           &missing_virtual_destructor,
    &shared_ptr_cycle,       &exception_before_delete,
    &untrimmed_container,    &unbounded_cache,
    &map_by_request_id,      &thread_local_cache,
    &detached_threads,       &failed_realloc,
    &arena_never_reset,      &pool_never_shrinks,
    &observer_never_removed, &recycled_capacity,
    &mmap_without_munmap,    &dropped_jemalloc_arena,
    &fragmentation,          &idle_pages,
    &unloaded_plugin,        &growing_memfd,
    &thread_caches,          &glibc_arenas,
    &untouched_blocks,
};

// Null when there is none of that name.
const Leak* find_leak(std::string_view name);

}  // namespace plateau::leakdemo
