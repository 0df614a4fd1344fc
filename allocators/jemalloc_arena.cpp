#include "allocators/jemalloc_arena.hpp"

#include <jemalloc/jemalloc.h>  // for the flags of mallocx; the functions are looked up in what is loaded
#include <sys/types.h>

#include <bit>
#include <new>
#include <stdexcept>
#include <string>

#include "allocators/heap.hpp"
#include "allocators/jemalloc/control.hpp"
#include "allocators/jemalloc/jemalloc_arena_claim.hpp"
#include "allocators/purge_trace.hpp"
#include "allocators/runtime_symbol.hpp"

namespace plateau {
namespace {

using jemalloc::ControlError;
using jemalloc::Mib;

// By which blocks of an arena are had.
struct Functions {
  decltype(::mallocx)* allocate = runtime_symbol<decltype(::mallocx)>("mallocx");
  decltype(::sdallocx)* deallocate = runtime_symbol<decltype(::sdallocx)>("sdallocx");

  bool loaded() const { return jemalloc::loaded() && allocate != nullptr && deallocate != nullptr; }
};

const Functions& functions() {
  static const Functions found;
  return found;
}

// Each is of an arena, whose number is given with every use.
struct ArenaControls {
  Mib destroy{"arena.0.destroy"};
  Mib reset{"arena.0.reset"};
  Mib purge{"arena.0.purge"};
  Mib dirty_decay{"arena.0.dirty_decay_ms"};
  Mib muzzy_decay{"arena.0.muzzy_decay_ms"};
};

const ArenaControls& arena_controls() {
  static const ArenaControls controls;
  return controls;
}

void throw_unless_done(ControlError error, unsigned index, const std::string& what) {
  if (error == ControlError::none) return;
  throw std::runtime_error("arena." + std::to_string(index) + "." + what + " failed: " + std::string(to_string(error)));
}

void set_decay(const Mib& control, unsigned index, const std::string& what, std::chrono::milliseconds decay) {
  const auto wanted = static_cast<ssize_t>(decay.count());
  throw_unless_done(control.set(wanted, index), index, what + " = " + std::to_string(wanted));
}

}  // namespace

JemallocArena::JemallocArena(JemallocArenaOptions options) : has_thread_cache_(options.thread_cache) {
  if (!functions().loaded()) {
    throw std::runtime_error("JemallocArena needs jemalloc, and malloc here is " +
                             std::string(to_string(Heap::process().kind())) +
                             "'s: link libjemalloc or preload libjemalloc.so.2");
  }
  const auto made = options.extent_hooks != nullptr
                        ? jemalloc::exchange<unsigned>("arenas.create", options.extent_hooks)
                        : jemalloc::read<unsigned>("arenas.create");
  if (!made) throw std::runtime_error("jemalloc has no further arena (arenas.create failed)");
  index_ = made.value;
  const ArenaControls& controls = arena_controls();
  try {
    if (options.dirty_decay) set_decay(controls.dirty_decay, index_, "dirty_decay_ms", *options.dirty_decay);
    if (options.muzzy_decay) set_decay(controls.muzzy_decay, index_, "muzzy_decay_ms", *options.muzzy_decay);
    make_thread_cache();
    PurgeTrace::cover_arena(index_);
    arena_made(index_);
  } catch (...) {
    controls.destroy.call(index_);
    throw;
  }
}

JemallocArena::~JemallocArena() {
  arena_ends(index_);
  destroy_thread_cache();
  arena_controls().destroy.call(index_);
}

void JemallocArena::make_thread_cache() {
  if (has_thread_cache_) {
    const auto made = jemalloc::read<unsigned>("tcache.create");
    if (!made) throw std::runtime_error("jemalloc has no further thread cache (tcache.create failed)");
    thread_cache_ = made.value;
  }
  flags_ = MALLOCX_ARENA(index_) | (has_thread_cache_ ? MALLOCX_TCACHE(thread_cache_) : MALLOCX_TCACHE_NONE);
}

// Its blocks belong to the arena, so it goes first.
void JemallocArena::destroy_thread_cache() noexcept {
  if (has_thread_cache_) jemalloc::write("tcache.destroy", thread_cache_);
}

void JemallocArena::reset() {
  destroy_thread_cache();
  arena_ends(index_);  // a reset takes the arena apart as the end does
  arena_controls().reset.call(index_);
  arena_made(index_);
  make_thread_cache();
}

void JemallocArena::purge() {
  if (has_thread_cache_) jemalloc::write("tcache.flush", thread_cache_);
  throw_unless_done(arena_controls().purge.call(index_), index_, "purge");
}

JemallocArenaStatistics JemallocArena::statistics() const {
  jemalloc::refresh_statistics();
  const auto figure = [this](const char* what) -> std::uint64_t {
    const std::string name = "stats.arenas." + std::to_string(index_) + "." + what;
    const auto told = jemalloc::read<std::size_t>(name.c_str());
    if (!told) throw std::runtime_error("jemalloc does not tell " + name + ": " + std::string(to_string(told.error)));
    return told.value;
  };
  const std::uint64_t page = jemalloc::read<std::size_t>("arenas.page").value;
  JemallocArenaStatistics result;
  result.allocated = figure("small.allocated") + figure("large.allocated");
  result.active = figure("pactive") * page;
  result.dirty = figure("pdirty") * page;
  result.muzzy = figure("pmuzzy") * page;
  result.resident = figure("resident");
  result.mapped = figure("mapped");
  return result;
}

void* JemallocArena::do_allocate(std::size_t bytes, std::size_t alignment) {
  const int flags = flags_ | MALLOCX_LG_ALIGN(std::countr_zero(alignment));
  void* const block = functions().allocate(bytes + static_cast<std::size_t>(bytes == 0), flags);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

void JemallocArena::do_deallocate(void* block, std::size_t bytes, std::size_t alignment) {
  const int flags = flags_ | MALLOCX_LG_ALIGN(std::countr_zero(alignment));
  functions().deallocate(block, bytes + static_cast<std::size_t>(bytes == 0), flags);
}

}  // namespace plateau
